const UNRESERVED = /[-.0-9A-Z_a-z~]/;
const ENCODED = /%[0-9A-Fa-f]{2}/g;
/** What Envoy lets stand as it is, besides what is encoded already. */
const NOT_IN_REQUESTS = /[^!$-;=@-Z[\]_a-z~]/gu;

/**
 * Spells a path as requests have it when Envoy compares it, with its setting `normalize_path`: letters, digits and `-._~` as
 * they are, everything beyond ASCII and the likes of blanks and braces as `%` and two digits. A path in any other spelling
 * would match nothing.
 * @param path without lone surrogates
 * @see https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
 */
export function normalizePath(path: string): string {
  const decoded = path.replace(ENCODED, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded;
  });
  return decoded.replace(NOT_IN_REQUESTS, encodeURIComponent);
}
