import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { type RawObject, readRawObject } from './raw-object.ts';

const AT_ONCE = 8;
const PAUSES_MS = [500, 1_000, 2_000, 5_000, 10_000, 30_000];

/** Takes the Secrets that are wanted. */
export interface SecretSink {
  put(object: RawObject): void;
  remove(key: string): void;
  /** Of a Secret that could not be got; it is tried again. */
  failed(error: ApiError): void;
  /** Something was settled. */
  changed(): void;
}

/** Gets the contents of the Secrets that are wanted, by `namespace/name`, each time its metadata shows another version. */
export class WantedSecrets {
  readonly #client: ApiClient;
  readonly #sink: SecretSink;
  readonly #existing = new Map<string, string>();
  readonly #wanted: ReadonlySet<string>;
  /** The version that was seen when the content was got last. */
  readonly #got = new Map<string, string>();
  readonly #running = new Set<string>();
  readonly #signal: AbortSignal;

  constructor(client: ApiClient, wanted: ReadonlySet<string>, sink: SecretSink, signal: AbortSignal) {
    this.#client = client;
    this.#wanted = wanted;
    this.#sink = sink;
    this.#signal = signal;
  }

  /** Whether the content of all that are wanted and exist is known. */
  get isComplete(): boolean {
    return this.#wanted.values().every((key) => !this.#isDue(key));
  }

  see(key: string, version: string): void {
    this.#existing.set(key, version);
    if (this.#wanted.has(key)) this.advance();
  }

  gone(key: string): void {
    this.#existing.delete(key);
    this.forget(key);
  }

  /** No longer wanted. */
  forget(key: string): void {
    if (this.#got.delete(key)) this.#sink.remove(key);
    this.#sink.changed();
  }

  /** Begins what is due and not yet running. */
  advance(): void {
    for (const key of this.#wanted) {
      if (this.#running.size >= AT_ONCE) return;
      if (this.#isDue(key) && !this.#running.has(key)) void this.#get(key);
    }
  }

  #isDue(key: string): boolean {
    const version = this.#existing.get(key);
    return version !== undefined && this.#got.get(key) !== version;
  }

  async #get(key: string): Promise<void> {
    this.#running.add(key);
    for (let failures = 0; !this.#signal.aborted && this.#wanted.has(key) && this.#isDue(key); ) {
      const version = this.#existing.get(key) ?? '';
      try {
        const [namespace = '', name = ''] = key.split('/').map(encodeURIComponent);
        const answer = await this.#client.request({ path: `/api/v1/namespaces/${namespace}/secrets/${name}`, signal: this.#signal });
        // It may have been dropped, or have gone, while it was on the way.
        if (!this.#wanted.has(key) || !this.#existing.has(key)) break;
        this.#sink.put(readRawObject(answer));
        this.#got.set(key, version);
      } catch (error) {
        if (this.#signal.aborted) return;
        if (error instanceof ApiError) this.#sink.failed(error);
        const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
        const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 0;
        failures += 1;
        await sleep(asked + pause * (0.5 + Math.random() / 2), undefined, { signal: this.#signal }).catch(() => {});
      }
    }
    this.#running.delete(key);
    this.advance();
    this.#sink.changed();
  }
}
