/** What a regular expression for a whole text comes to. */
export type Pattern =
  | { readonly kind: 'any' }
  /** One of these texts. */
  | { readonly kind: 'exact'; readonly texts: readonly string[] }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'regex'; readonly regex: string };

const ANY_REST = '.*';
const METACHARACTERS = /[\\^$.|?*+()[\]{}]/;
const ESCAPED = /\\([!-/:-@[-`{-~])/g;

/** @param regex that RE2 understands; undefined: any text */
export function patternOf(regex: string | undefined): Pattern {
  if (regex === undefined || regex === ANY_REST) return { kind: 'any' };
  const texts = regex.split('|').map(literalOf);
  if (texts.every((text) => text !== undefined)) return { kind: 'exact', texts: [...new Set(texts)].sort() };
  const text = regex.endsWith(ANY_REST) ? literalOf(regex.slice(0, -ANY_REST.length)) : undefined;
  return text ? { kind: 'prefix', text } : { kind: 'regex', regex };
}

/** The only text that the expression matches; undefined where there is no telling without RE2. */
function literalOf(regex: string): string | undefined {
  return METACHARACTERS.test(regex.replaceAll(ESCAPED, '')) ? undefined : regex.replaceAll(ESCAPED, '$1');
}
