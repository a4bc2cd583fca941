import { compareText } from '../model/index.ts';
import { keptText, MOST_KEPT } from './kept-text.ts';

/** Headers whose values nobody is shown, whatever settings name: who reads one can be whom it is of. */
const SECRET_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'x-auth-token',
  'x-amz-security-token',
  'x-csrf-token',
]);

/** What takes the place of what is not shown. */
export const REDACTED = '***';

/** A host without who logs in by it. */
export function shownHost(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1);
}

/** A path, of whose query it is only shown that there is one: it may have secrets. */
export function shownPath(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : `${path.slice(0, end)}?${REDACTED}`;
}

/** A URL without its query, its fragment and who logs in by it; a long one is cut. */
export function shownUrl({
  scheme,
  authority,
  path,
}: {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}): string {
  const withoutQuery = path.split(/[?#]/, 1)[0] ?? '';
  return keptText(`${scheme === '' ? 'http' : scheme}://${shownHost(authority)}${withoutQuery}`, MOST_KEPT.url);
}

/** Those headers that settings name, sorted, in lower case, long values cut; of such as hold secrets it is shown that they are there. */
export function shownHeaders(
  headers: Readonly<Record<string, string>>,
  wanted: ReadonlySet<string>,
): readonly (readonly [name: string, value: string])[] {
  const all = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const shown = all.filter(([name]) => wanted.has(name));
  return shown.map(([name, value]) => [name, shownValue(name, value)] as const).sort(([a], [b]) => compareText(a, b));
}

function shownValue(name: string, value: string): string {
  return SECRET_HEADERS.has(name) ? REDACTED : keptText(value, MOST_KEPT.header);
}
