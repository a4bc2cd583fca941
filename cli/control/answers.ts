interface Published<T> {
  readonly what: T;
  readonly revision: number;
  /** Who was connected then, has been since, and has yet to answer. */
  readonly waitedFor: Set<string>;
  /** As of `performance.now()`; undefined while nobody has. */
  lastAnswer: number | undefined;
}

export interface AnswersOptions<T> {
  /** The nodes that are. */
  readonly connected: () => Iterable<string>;
  /** Told of each answer of one that was connected when it was published. */
  readonly onAnswer?: (what: T, nodeId: string) => void;
  /** @param at the last answer, as of `performance.now()` */
  readonly onAnswered?: (what: T, at: number) => void;
  /** Told of what is waited for no longer, since so much else is. */
  readonly onForgotten?: (what: T) => void;
}

/** More is not waited for. */
const MOST_PUBLISHED = 256;

/**
 * What was published, until all that were connected then have answered it or are gone, and somebody has answered. Where nobody was connected, it is
 * in force with the first answer of anybody.
 */
export class Answers<T> {
  readonly #options: AnswersOptions<T>;
  /** Oldest first. */
  #published: Published<T>[] = [];

  constructor(options: AnswersOptions<T>) {
    this.#options = options;
  }

  /** To be told right after it was, before anybody can have answered. */
  published(what: T, revision: number): void {
    const connected = new Set(this.#options.connected());
    this.#keepOnly(connected);
    this.#published.push({ what, revision, waitedFor: connected, lastAnswer: undefined });
    for (const forgotten of this.#published.splice(0, this.#published.length - MOST_PUBLISHED)) this.#options.onForgotten?.(forgotten.what);
  }

  /** A node has answered everything up to a revision. */
  answered(nodeId: string, revision: number): void {
    const now = performance.now();
    for (const published of this.#published) {
      if (published.revision > revision) continue;
      published.lastAnswer = now;
      if (published.waitedFor.delete(nodeId)) this.#options.onAnswer?.(published.what, nodeId);
    }
    this.#conclude();
  }

  /** A node is not connected any more, and what it would answer says nothing of how long that took. */
  left(nodeId: string): void {
    for (const { waitedFor } of this.#published) waitedFor.delete(nodeId);
    this.#conclude();
  }

  /** The oldest that a node which is connected has yet to answer. */
  oldest(): T | undefined {
    this.#keepOnly(new Set(this.#options.connected()));
    return this.#published.find(({ waitedFor }) => waitedFor.size > 0)?.what;
  }

  #keepOnly(connected: ReadonlySet<string>): void {
    for (const { waitedFor } of this.#published) for (const nodeId of waitedFor) if (!connected.has(nodeId)) waitedFor.delete(nodeId);
    this.#conclude();
  }

  #conclude(): void {
    const isAnswered = ({ waitedFor, lastAnswer }: Published<T>) => waitedFor.size === 0 && lastAnswer !== undefined;
    const answered = this.#published.filter(isAnswered);
    if (answered.length === 0) return;
    this.#published = this.#published.filter((published) => !isAnswered(published));
    for (const { what, lastAnswer } of answered) if (lastAnswer !== undefined) this.#options.onAnswered?.(what, lastAnswer);
  }
}
