/** What was found in the kernel that nobody had written, and what was missing there; both are made good. Keys as people write them. */
export interface Repair {
  readonly foreign: readonly string[];
  /** Missing, or with another value. */
  readonly missing: readonly string[];
}

/** What must be written and what deleted for a table to be as it is wanted. */
export interface TableDifference<V> {
  readonly write: ReadonlyMap<string, V>;
  readonly remove: readonly string[];
}

/** @param isSame whether a value may stay */
export function differenceOf<V>(
  present: ReadonlyMap<string, V>,
  wanted: ReadonlyMap<string, V>,
  isSame: (present: V, wanted: V) => boolean = Object.is,
): TableDifference<V> {
  const write = new Map<string, V>();
  for (const [key, value] of wanted) {
    const found = present.get(key);
    if (found === undefined || !isSame(found, value)) write.set(key, value);
  }
  return { write, remove: [...present.keys()].filter((key) => !wanted.has(key)) };
}
