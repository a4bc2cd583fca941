/** What is wrong with a filter that somebody asked for, in words for them. */
export class FilterProblem {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** The first problem among what was made of a list; else what was made. */
export function allOrProblem<T>(made: readonly (T | FilterProblem)[]): readonly T[] | FilterProblem {
  const good: T[] = [];
  for (const each of made) {
    if (each instanceof FilterProblem) return each;
    good.push(each);
  }
  return good;
}
