/** Values that know how to compare themselves, such as wrapped secrets, whose content no reflection sees. */
interface Comparable {
  equals(other: unknown): boolean;
}

/**
 * Whether two values of plain data are the same by content: primitives, arrays, byte arrays, dates and objects, deeply.
 * An absent property and an undefined one are the same. A class of one's own needs an `equals` method.
 */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isComparable(a)) return a.equals(b);
  if (Array.isArray(a)) return Array.isArray(b) && equalItems(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalBytes(a, b);
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  return !Array.isArray(b) && equalProperties(a, b);
}

function isComparable(value: object): value is Comparable {
  return 'equals' in value && typeof value.equals === 'function';
}

function equalItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (!equal(a[index], b[index])) return false;
  }
  return true;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function equalProperties(a: object, b: object): boolean {
  const right = new Map(Object.entries(b));
  for (const [key, value] of Object.entries(a)) {
    if (!equal(value, right.get(key))) return false;
    right.delete(key);
  }
  for (const value of right.values()) {
    if (value !== undefined) return false;
  }
  return true;
}
