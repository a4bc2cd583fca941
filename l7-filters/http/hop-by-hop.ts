import type { HttpRequest } from './request.ts';

type Headers = HttpRequest['headers'];

const OF_A_CONNECTION = ['keep-alive', 'proxy-connection', 'transfer-encoding'];
/** What stays though `Connection` names it: `TE` is looked at by itself. */
const STAYS = new Set(['te', 'http2-settings']);
/** What is nobody's to take away from a request. */
const NOT_TO_BE_NAMED = /^(?::.*|host|x-forwarded-(?:for|host|proto))$/;

/** What `Connection` names and may not; undefined where there is no such thing. */
export function wronglyNamed(headers: Headers): string | undefined {
  return itemsOf(headers, 'connection').find((name) => NOT_TO_BE_NAMED.test(name));
}

/**
 * The headers without those that are about the connection alone, and those that `Connection` names; of `TE`, only `trailers` stays. A request for a
 * WebSocket keeps what it says of it.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
 */
export function withoutHopByHop(headers: Headers): Headers {
  const named = itemsOf(headers, 'connection');
  if (named.includes('upgrade') && itemsOf(headers, 'upgrade').includes('websocket')) return without(headers, OF_A_CONNECTION);
  const dropped = named.filter((name) => !STAYS.has(name));
  return without(headers, [...OF_A_CONNECTION, 'connection', 'upgrade', ...dropped]).flatMap(([name, value]) => {
    if (name.toLowerCase() !== 'te' || value.trim() === '') return [[name, value] as const];
    return value.split(',').some((item) => item.trim() === 'trailers') ? [[name, 'trailers'] as const] : [];
  });
}

function without(headers: Headers, names: readonly string[]): Headers {
  return headers.filter(([name]) => !names.includes(name.toLowerCase()));
}

function itemsOf(headers: Headers, name: string): readonly string[] {
  const values = headers.filter(([each]) => each.toLowerCase() === name).flatMap(([, value]) => value.split(','));
  return values.map((item) => item.trim().toLowerCase());
}
