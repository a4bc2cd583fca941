import { describeFailure } from './describe-failure.ts';
import type { Log } from './log.ts';

/** Says what went wrong with flows, which keeps nobody from anything else. */
export function flowFailure(log: Log): (error: Error) => void {
  return (error) => log({ level: 'error', event: 'flows', text: `not all of them are told of: ${describeFailure(error)}` });
}
