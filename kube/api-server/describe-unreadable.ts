import type { Diagnostic } from '../../model/index.ts';
import { finding } from '../codes.ts';
import type { ApiError, ApiErrorCode } from './api-error.ts';
import type { KindState } from './api-server-watch.ts';

/** What passes of itself, such as a server that is away, is for logs and the state. */
const REFUSALS: ReadonlySet<ApiErrorCode> = new Set(['forbidden', 'not-found', 'unauthorized', 'invalid']);

/** The kinds that are refused to us, and the Secrets that we need and do not get. */
export function describeUnreadable(states: Iterable<KindState>, secrets: ReadonlyMap<string, ApiError>): readonly Diagnostic[] {
  const told: Diagnostic[] = [];
  for (const { kind, error } of states) {
    if (error && REFUSALS.has(error.code)) told.push(finding('KindUnreadable', `objects of kind ${kind} cannot be read: ${error.message}`));
  }
  for (const key of [...secrets.keys()].sort()) {
    const [namespace = '', name = ''] = key.split('/');
    const message = `cannot be read: ${secrets.get(key)?.message}`;
    told.push({ ...finding('SecretUnreadable', message), object: { kind: 'Secret', namespace, name } });
  }
  return told;
}
