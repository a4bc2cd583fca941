import type { HttpOptions } from '../../model/index.ts';
import { wronglyNamed } from './hop-by-hop.ts';
import type { HttpRequest } from './request.ts';

/** What becomes of a request before rules see it. */
export type NormalizedRequest =
  | { readonly kind: 'request'; readonly request: HttpRequest }
  /** Answered with a redirect to this path, and never seen by rules. */
  | { readonly kind: 'redirect'; readonly path: string }
  /** Answered with 400. */
  | { readonly kind: 'refused'; readonly reason: string };

const PRINTABLE = /^[!-~]*$/;
const ESCAPED = /%([0-9A-Fa-f]{2})/g;
const ESCAPED_SLASH = /%(2f|5c)/gi;
/** Envoy leaves these parameters out before it resolves anything; those of dots that are escaped stay. */
const DOTS_WITH_PARAMETERS = /(?<=\/)(\.\.?);[^/]*/g;
const UNRESERVED = /[-.0-9A-Z_a-z~]/;
/** Letters that Envoy escapes. The rest of ASCII stays as it is. */
const NOT_IN_PATHS = /["<>^`{|}]/g;

/**
 * Makes of a request what Envoy makes of it before it looks at routes and rules, by the setting `http.pathNormalization`: `base` resolves dot
 * segments and needless escapes, `merge-slashes` also makes one slash of several, `full` also answers an escaped slash with a
 * redirect. A dot at the end of the host is always dropped. Headers with underscores stay, go or keep the request from being served, as
 * `http.headersWithUnderscores` says.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
 */
export function normalizeRequest(
  request: HttpRequest,
  { pathNormalization: mode, headersWithUnderscores }: Pick<HttpOptions, 'pathNormalization' | 'headersWithUnderscores'>,
): NormalizedRequest {
  if (request.path.includes('#')) return refused('the path has a fragment (#)');
  if (!PRINTABLE.test(request.path)) return refused('the path has letters that are not printable ASCII');
  const named = wronglyNamed(request.headers);
  if (named !== undefined) return refused(`the header Connection names ${named}`);
  const underscored = request.headers.find(([name]) => name.includes('_'));
  if (underscored && headersWithUnderscores === 'reject') return refused(`the name of the header ${underscored[0]} has an underscore`);
  const headers = headersWithUnderscores === 'drop' ? request.headers.filter(([name]) => !name.includes('_')) : request.headers;
  const [path = '', ...query] = request.path.split('?');
  const rest = query.length > 0 ? `?${query.join('?')}` : '';
  const host = request.host.replace(/\.(?=:\d+$|$)/, '');
  if (mode === 'none') return { kind: 'request', request: { ...request, host, headers } };
  const unescaped = mode === 'full' ? path.replace(ESCAPED_SLASH, (_, code: string) => (code.toLowerCase() === '2f' ? '/' : '\\')) : path;
  const normal = resolvePath(unescaped);
  if (normal === undefined) return refused('the path has an escaped zero byte (%00)');
  const merged = mode === 'base' ? normal : mergeSlashes(normal);
  if (unescaped !== path) return { kind: 'redirect', path: merged + rest };
  return { kind: 'request', request: { ...request, host, headers, path: merged + rest } };
}

function refused(reason: string): NormalizedRequest {
  return { kind: 'refused', reason };
}

/** @see https://url.spec.whatwg.org/#path-state; undefined for one with an escaped NUL */
function resolvePath(path: string): string | undefined {
  const stripped = path.replace(DOTS_WITH_PARAMETERS, '$1');
  if (stripped.includes('%00')) return undefined;
  const decoded = stripped.replaceAll('\\', '/').replace(ESCAPED, (whole, code: string) => {
    const letter = String.fromCharCode(Number.parseInt(code, 16));
    return UNRESERVED.test(letter) ? letter : whole;
  });
  const segments: string[] = [];
  const all = decoded.slice(1).split('/');
  for (const [index, segment] of all.entries()) {
    const isLast = index === all.length - 1;
    if (segment === '..') segments.pop();
    else if (segment !== '.') segments.push(segment);
    if (isLast && (segment === '..' || segment === '.')) segments.push('');
  }
  const resolved = `/${segments.join('/')}`;
  return resolved.replace(NOT_IN_PATHS, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Of nothing but slashes Envoy leaves two. */
function mergeSlashes(path: string): string {
  return /^\/{2,}$/.test(path) ? '//' : path.replace(/\/{2,}/g, '/');
}
