import { ANY_SOURCE, formatLabel, KUBERNETES, type Label, type LabelKey, RESERVED } from './label.ts';

/** Labels by source and key. Immutable; the order in which they were given does not matter. */
export class LabelSet {
  readonly #values: ReadonlyMap<string, string>;
  readonly #labels: readonly Label[];
  /** Each as `formatLabel` writes it, sorted. */
  readonly texts: readonly string[];

  /** Of several labels with the same source and key the last counts. */
  constructor(labels: Iterable<Label>) {
    const bySource = new Map<string, Label>();
    for (const label of labels) bySource.set(`${label.source}:${label.key}`, label);
    this.#labels = [...bySource.values()];
    this.#values = new Map(Array.from(bySource, ([key, { value }]) => [key, value]));
    this.texts = Array.from(this.#labels, formatLabel).sort();
  }

  /** The value that a selector sees; undefined where there is no such label. */
  get({ source, key }: LabelKey): string | undefined {
    if (source !== ANY_SOURCE) return this.#values.get(`${source}:${key}`);
    return this.#values.get(`${KUBERNETES}:${key}`) ?? this.#values.get(`${RESERVED}:${key}`);
  }

  values(): readonly Label[] {
    return this.#labels;
  }

  has(key: LabelKey): boolean {
    return this.get(key) !== undefined;
  }
}
