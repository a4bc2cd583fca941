import type { HttpOptions, HttpRule } from '../../model/index.ts';
import { headersOnArrival } from './on-arrival.ts';
import type { HttpRequest } from './request.ts';

/** A request as rules find it, which is what goes on, too, but for what they do with headers. @param sent as `normalizeRequest` leaves it */
export function arrive(rules: readonly HttpRule[], sent: HttpRequest, options: Pick<HttpOptions, 'headersWithUnderscores'>): HttpRequest {
  return dropLookalikes(rules, { ...sent, headers: headersOnArrival(sent.headers) }, options);
}

/**
 * A request without the headers that some servers take for one that a rule names, since they read `_` as `-`: nobody is to see them. Where the
 * setting is not `allow`, names with underscores are gone before, and others stay.
 */
function dropLookalikes(
  rules: readonly HttpRule[],
  request: HttpRequest,
  { headersWithUnderscores }: Pick<HttpOptions, 'headersWithUnderscores'>,
): HttpRequest {
  if (headersWithUnderscores !== 'allow') return request;
  const named = new Set(rules.flatMap(({ headers }) => headers.map(({ name }) => name)));
  const isLookalike = (header: string) => [...named].some((name) => name !== header && alike(name) === alike(header));
  return { ...request, headers: request.headers.filter(([name]) => !isLookalike(name.toLowerCase())) };
}

function alike(name: string): string {
  return name.replaceAll('_', '-');
}
