import { withoutHopByHop } from './hop-by-hop.ts';
import type { HttpRequest } from './request.ts';

/** By which Envoy would be told what to do with a request; in lower case. */
export const DIRECTIVES: ReadonlySet<string> = new Set(
  [
    ...['internal', 'force-trace', 'ip-tags', 'original-url', 'expected-rq-timeout-ms', 'hedge-on-per-try-timeout'],
    ...['retry-on', 'retry-grpc-on', 'max-retries', 'retriable-status-codes', 'retriable-header-names'],
    ...['upstream-alt-stat-name', 'upstream-rq-timeout-ms', 'upstream-rq-per-try-timeout-ms'],
    ...['upstream-rq-timeout-alt-response', 'upstream-stream-duration-ms'],
  ].map((name) => `x-envoy-${name}`),
);

/** Which Envoy sets where they are missing or empty; rules are asked about what was sent. */
const EMPTY_IS_MISSING = new Set(['x-request-id', 'x-forwarded-proto']);

/** The headers of a request as a slot's rules find them, and its server does, before any rule takes one away. */
export function headersOnArrival(headers: HttpRequest['headers']): HttpRequest['headers'] {
  return withoutHopByHop(headers).filter(([header, value]) => {
    const name = header.toLowerCase();
    return !DIRECTIVES.has(name) && !(EMPTY_IS_MISSING.has(name) && value.trim() === '');
  });
}
