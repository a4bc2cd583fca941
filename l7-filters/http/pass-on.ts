import type { HttpOptions, HttpRule } from '../../model/index.ts';
import { arrive } from './arrive.ts';
import { type HeaderAction, headerActions } from './header-actions.ts';
import { matchRule } from './match.ts';
import { type HttpRequest, headerValue } from './request.ts';

/**
 * A request as it goes on from a slot that it passes: another slot may judge it next. Headers stay that would become the value of a Secret.
 * @param sent as `normalizeRequest` leaves it
 */
export function passOn(rules: readonly HttpRule[], sent: HttpRequest, options: Pick<HttpOptions, 'headersWithUnderscores'>): HttpRequest {
  return headerActions(rules).reduce(act, arrive(rules, sent, options));
}

/** Each acts on what those before it left. */
function act(request: HttpRequest, { rule, header }: HeaderAction): HttpRequest {
  const { name, value, mismatch } = header;
  const { misses, adjusted } = matchRule(rule, request);
  if (misses.length > 0 || value?.kind === 'secret' || !adjusted.includes(header)) return request;
  const others = request.headers.filter(([each]) => each.toLowerCase() !== name);
  const actual = headerValue(request, name);
  const text = value?.text ?? '';
  switch (mismatch) {
    case 'deny':
    case 'log':
      return request;
    case 'add':
      return { ...request, headers: [...others, [name, actual === undefined ? text : `${actual},${text}`]] };
    case 'delete':
      return { ...request, headers: others };
    case 'replace':
      return { ...request, headers: [...others, [name, text]] };
  }
}
