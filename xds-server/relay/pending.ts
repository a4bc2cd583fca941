import type { Delta } from './wire.ts';

/** What came of one name: nothing yet, it is accepted, or what is wrong with it. */
export type Verdict = 'open' | 'accepted' | { readonly refusal: string };

/** A response of a controller that is to be answered once all its names are judged. */
export class PendingResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly since = new Date();
  /** Versions by name; undefined for a removal. */
  readonly entries: ReadonlyMap<string, string | undefined>;
  readonly refusals = new Map<string, string>();
  readonly #open: Set<string>;
  readonly #receivedAt = performance.now();

  constructor({ typeUrl, nonce, resources, removed }: Delta) {
    this.typeUrl = typeUrl;
    this.nonce = nonce;
    const removals = removed.map((name) => [name, undefined] as const);
    this.entries = new Map<string, string | undefined>([...removals, ...resources.map(({ name, version }) => [name, version] as const)]);
    this.#open = new Set(this.entries.keys());
  }

  /** Names that are not judged. */
  get open(): ReadonlySet<string> {
    return this.#open;
  }

  get ageMs(): number {
    return performance.now() - this.#receivedAt;
  }

  /** @returns whether all names are judged */
  judge(judgeName: (name: string, version: string | undefined) => Verdict): boolean {
    for (const name of this.#open) {
      const verdict = judgeName(name, this.entries.get(name));
      if (verdict === 'open') continue;
      if (verdict !== 'accepted') this.refusals.set(name, verdict.refusal);
      this.#open.delete(name);
    }
    return this.#open.size === 0;
  }
}
