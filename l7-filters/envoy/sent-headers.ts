import { AUTHORITY, REQUEST_ID } from './names.ts';

export const FORWARDED_PROTO = 'x-forwarded-proto';

/**
 * Headers that Envoy sets where they are missing, and where what the client sent of them stands while Envoy has the request: that is what rules are
 * asked about, and what the server gets. One that was sent empty counts as missing.
 */
export const SENT_HEADERS: ReadonlyMap<string, string> = new Map([
  [FORWARDED_PROTO, 'x-sluice-forwarded-proto'],
  [REQUEST_ID, 'x-sluice-request-id'],
]);

/** Where rules find a header. @param name in lower case */
export function seenAs(name: string): string {
  return name === 'host' ? AUTHORITY : (SENT_HEADERS.get(name) ?? name);
}
