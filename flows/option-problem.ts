/** What is wrong with a filter, a query or a metric that somebody asked for, in words for them. */
export class OptionProblem {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** The first problem among what was made of a list; else what was made. */
export function allOrProblem<T>(made: readonly (T | OptionProblem)[]): readonly T[] | OptionProblem {
  const good: T[] = [];
  for (const each of made) {
    if (each instanceof OptionProblem) return each;
    good.push(each);
  }
  return good;
}
