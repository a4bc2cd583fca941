import type { Collection, Node } from './collection.ts';
import { type Compute, Derived, type OnFailure } from './derived.ts';
import { Grouped, type Spread } from './grouped.ts';
import { Input } from './input.ts';
import { Union } from './union.ts';

/**
 * Collections that derive from one another. A change of an input reaches, in one pass, exactly the values that were
 * computed from it: work is in proportion to the change, not to what is there.
 *
 * Collections settle in the order in which they were made, so one may only derive from, and read, those made before it.
 */
export class Graph {
  readonly #nodes: { readonly stage: string; readonly node: Node }[] = [];
  #stage = '';
  readonly #onFailure: OnFailure;

  /** @param onFailure told when a computation throws; without it the exception leaves `settle` */
  constructor(onFailure: OnFailure = rethrow) {
    this.#onFailure = onFailure;
  }

  /** Collections that are made from now on belong to this stage; it means nothing but what {@link settle} tells of it. */
  beginStage(name: string): void {
    this.#stage = name;
  }

  input<V>(name: string): Input<V> {
    return this.#add(new Input<V>(name));
  }

  derive<I, O>(name: string, from: Collection<I>, compute: Compute<I, O>): Collection<O> {
    return this.#add(new Derived(name, from, compute, this.#onFailure));
  }

  group<I, M>(name: string, from: Collection<I>, spread: Spread<I, M>): Collection<readonly M[]> {
    return this.#add(new Grouped(name, from, spread));
  }

  union<V>(name: string, ...from: readonly Collection<V>[]): Collection<V> {
    return this.#add(new Union(name, from));
  }

  /**
   * Brings everything up to date with the inputs; afterwards each collection's `changed` says what this did to it.
   * @param onStage told when the collections of another stage are about to settle, so that its caller can take the time
   */
  settle(onStage: (stage: string) => void = () => {}): void {
    for (const { node } of this.#nodes) node.begin();
    let current: string | undefined;
    for (const { stage, node } of this.#nodes) {
      if (stage !== current) onStage(stage);
      current = stage;
      node.settle();
    }
  }

  #add<N extends Node>(node: N): N {
    this.#nodes.push({ stage: this.#stage, node });
    return node;
  }
}

function rethrow(collection: string, key: string, error: unknown): never {
  throw new Error(`computing ${collection} ${key} failed`, { cause: error });
}
