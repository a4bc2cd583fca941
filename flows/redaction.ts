import { compareText } from '../model/index.ts';

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

/** A URL without its query, its fragment and who logs in by it. */
export function shownUrl({
  scheme,
  authority,
  path,
}: {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const shownPath = path.split(/[?#]/, 1)[0] ?? '';
  return `${scheme === '' ? 'http' : scheme}://${host}${shownPath}`;
}

/** Those headers that settings name, sorted, in lower case; of such as hold secrets it is shown that they are there. */
export function shownHeaders(
  headers: Readonly<Record<string, string>>,
  wanted: ReadonlySet<string>,
): readonly (readonly [name: string, value: string])[] {
  const all = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const shown = all.filter(([name]) => wanted.has(name));
  return shown.map(([name, value]) => [name, SECRET_HEADERS.has(name) ? REDACTED : value] as const).sort(([a], [b]) => compareText(a, b));
}
