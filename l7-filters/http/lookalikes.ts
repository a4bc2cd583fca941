const SEPARATORS = /[-_]/g;
const METACHARACTERS = /[.*+^$|]/g;

/**
 * Regular expressions (RE2) for the names that some servers take for the header of this name, since they read `_` as `-`. Each is for one separator,
 * the first that differs: what comes before is as it is, after it either may stand.
 * @param name in lower case
 */
export function lookalikesOf(name: string): readonly string[] {
  return [...name.matchAll(SEPARATORS)].map(({ index, 0: separator }) => {
    const rest = literal(name.slice(index + 1)).replaceAll(SEPARATORS, '[-_]');
    return `${literal(name.slice(0, index))}${separator === '-' ? '_' : '-'}${rest}`;
  });
}

function literal(text: string): string {
  return text.replaceAll(METACHARACTERS, '\\$&');
}
