/** What an Envoy says against what it was given, in its words; absent where it takes that. */
export type Objection = string | undefined;

export interface Refusal<T> {
  readonly item: T;
  readonly words: string;
}

/**
 * The first item that is refused, where those before it are not: found by halves. Whoever takes some takes all that begin like them.
 * @param words what is said against all of them together
 */
export async function findRefused<T>(
  items: readonly T[],
  words: string,
  objectionTo: (items: readonly T[]) => Promise<Objection>,
): Promise<Refusal<T> | undefined> {
  let [taken, refused, said] = [0, items.length, words];
  while (refused - taken > 1) {
    const middle = Math.floor((taken + refused) / 2);
    const objection = await objectionTo(items.slice(0, middle));
    if (objection === undefined) taken = middle;
    else [refused, said] = [middle, objection];
  }
  const item = items[refused - 1];
  return item === undefined ? undefined : { item, words: said };
}
