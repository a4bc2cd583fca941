/** Methods of the RFCs. Any other is a word of a client, and there is no end of those. @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
const KNOWN: ReadonlySet<string> = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE']);

/** As OpenTelemetry calls methods that are not known. */
const OTHER_METHOD = '_OTHER';

/** One of few words for a method, of whatever the client has sent: itself where it is known. */
export function knownMethod(method: string): string {
  return KNOWN.has(method) ? method : OTHER_METHOD;
}
