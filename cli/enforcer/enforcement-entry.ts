import { resourceTypeOf } from '../../controller/render.ts';
import { describeFailure } from '../describe-failure.ts';
import type { LogEntry } from '../log.ts';
import type { EnforcementEvent } from './enforcement.ts';

/** What happens to enforcement, as the log has it. */
export function enforcementEntry(event: EnforcementEvent): LogEntry {
  switch (event.kind) {
    case 'connected':
      return { level: 'info', event: 'upstream', text: 'the agent answers' };
    case 'disconnected':
      return { level: 'warn', event: 'upstream', text: `the agent is away: ${event.message}; what is in force stays` };
    case 'refused':
      return { level: 'error', event: 'refused', text: `${resourceTypeOf(event.typeUrl)} ${event.name} is not enforced: ${event.message}` };
    case 'in-force':
      return { level: 'info', event: 'ready', text: 'everything is in force' };
    case 'restored':
      return {
        level: 'warn',
        event: 'network',
        text: `somebody else had changed ${event.items.map(({ name }) => name).join(', ')}; it is again as it was`,
      };
    case 'failed':
      return { level: 'error', event: 'failed', text: describeFailure(event.error) };
  }
}
