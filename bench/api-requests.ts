import { readFileSync } from 'node:fs';

/** What the user agents of controllers and agents begin with. */
const OF_SLUICE = 'sluice-';

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly userAgent?: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly requestReceivedTimestamp: string;
}

/**
 * The requests of Sluice that an audit log tells of, by verb and resource, of those that began in a span of time.
 * @param auditLog the path of JSON lines of `audit.k8s.io/v1` Events
 * @param from milliseconds since 1970, as `until`
 */
export function requestsOfSluice(auditLog: string, from: number, until: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of readFileSync(auditLog, 'utf8').split('\n')) {
    if (line === '') continue;
    const { stage, verb, userAgent, objectRef, requestReceivedTimestamp }: AuditEvent = JSON.parse(line);
    const began = Date.parse(requestReceivedTimestamp);
    // A watch is told of when it begins too.
    if (
      !userAgent?.startsWith(OF_SLUICE) ||
      stage !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete') ||
      began < from ||
      began > until
    )
      continue;
    const what = [verb, objectRef?.resource, objectRef?.subresource].filter((part) => part !== undefined).join(' ');
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return counts;
}
