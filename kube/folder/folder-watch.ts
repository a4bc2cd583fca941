import { join } from 'node:path';
import type { Diagnostic } from '../../model/index.ts';
import { finding } from '../codes.ts';
import type { ObjectBatch } from '../source.ts';
import { FolderReader } from './folder-reader.ts';
import { FolderWatches } from './folder-watches.ts';
import type { FolderLimits, FolderTiming } from './options.ts';

/**
 * Follows folders: gathers events until they pause, has the reader look at what they concern, and keeps what changed
 * until it is taken, however long that takes.
 */
export class FolderWatch {
  readonly reader: FolderReader;
  readonly #timing: FolderTiming;
  readonly #watches = new FolderWatches({
    onEntry: (folder, name) => this.#onEvent(join(folder, name)),
    onUnclear: () => this.#onEvent(undefined),
  });
  readonly #entries = new Set<string>();
  #unclear = false;
  #firstEvent: number | undefined;
  #workTimer: NodeJS.Timeout | undefined;
  #rescanTimer: NodeJS.Timeout | undefined;
  #isWorking = true;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Of what is believed but not yet taken. */
  #seenAt = Number.POSITIVE_INFINITY;
  #readMs = 0;
  #folderDiagnostics = '[]';

  constructor(roots: readonly string[], limits: FolderLimits, timing: FolderTiming) {
    this.#timing = timing;
    this.reader = new FolderReader(roots, limits, timing, this.#watches);
  }

  /**
   * Reads everything for the first time.
   * @throws `FolderError` where a root does not exist or cannot be read.
   */
  async start(signal: AbortSignal): Promise<ObjectBatch> {
    const began = performance.now();
    await this.reader.readAll(signal);
    this.#seenAt = began;
    this.#readMs = performance.now() - began;
    const timing = { seenAt: began, readMs: this.#readMs };
    const first = this.#take() ?? { upserts: [], removals: [], diagnostics: [], timing };
    this.#rest(undefined);
    this.#planRescan();
    return first;
  }

  /** What changed since it was taken last, as soon as something has; undefined once the watch is closed. */
  async next(): Promise<ObjectBatch | undefined> {
    while (!this.#isClosed) {
      if (this.#failure) throw this.#failure.error;
      const batch = this.#isWorking ? undefined : this.#take();
      if (batch) return batch;
      await this.#wake.promise;
    }
    return undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#workTimer);
    clearTimeout(this.#rescanTimer);
    this.#watches.close();
    this.#wake.resolve();
  }

  /** @param entry where it happened; undefined where that cannot be told. */
  #onEvent(entry: string | undefined): void {
    if (entry === undefined) this.#unclear = true;
    else this.#entries.add(entry);
    this.reader.doubts.stirred();
    const now = performance.now();
    this.#firstEvent ??= now;
    if (!this.#isWorking) this.#planWork(Math.min(now + this.#timing.quiet, this.#firstEvent + this.#timing.maxQuiet));
  }

  #planWork(at: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#workTimer);
    this.#workTimer = setTimeout(() => this.#work(), Math.max(0, at - performance.now()));
  }

  #work(): void {
    this.#isWorking = true;
    this.#look().then(
      (lookAgainAt) => this.#rest(lookAgainAt),
      (error: unknown) => {
        this.#failure = { error };
        this.#wake.resolve();
      },
    );
  }

  async #look(): Promise<number | undefined> {
    const began = performance.now();
    const firstEvent = this.#firstEvent ?? began;
    const entries = new Set(this.#entries);
    const unclear = this.#unclear;
    this.#entries.clear();
    this.#unclear = false;
    this.#firstEvent = undefined;
    const { lookAgainAt, since } = await this.reader.look(entries, unclear);
    if (since !== undefined) {
      this.#seenAt = Math.min(this.#seenAt, firstEvent, since);
      this.#readMs += performance.now() - began;
    }
    return lookAgainAt;
  }

  /** Waits for events, or until it is time to look again. */
  #rest(lookAgainAt: number | undefined): void {
    this.#isWorking = false;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
    // Work that was under way when the watch was closed may have opened watches since.
    if (this.#isClosed) this.#watches.close();
    else if (this.#firstEvent !== undefined) this.#planWork(performance.now() + this.#timing.quiet);
    else if (lookAgainAt !== undefined) this.#planWork(lookAgainAt);
  }

  /** Events can be lost without a word. */
  #planRescan(): void {
    if (this.#isClosed) return;
    const pause = this.#watches.refused === undefined ? this.#timing.rescan : this.#timing.unwatchedRescan;
    this.#rescanTimer = setTimeout(() => {
      this.#onEvent(undefined);
      this.#planRescan();
    }, pause);
  }

  #take(): ObjectBatch | undefined {
    const folders = this.#describeFolders();
    const told = JSON.stringify(folders);
    const change = this.reader.holdings.takeChange(folders, told !== this.#folderDiagnostics);
    if (!change) return undefined;
    this.#folderDiagnostics = told;
    const timing = { seenAt: Math.min(this.#seenAt, performance.now()), readMs: this.#readMs };
    this.#seenAt = Number.POSITIVE_INFINITY;
    this.#readMs = 0;
    return { ...change, timing };
  }

  #describeFolders(): Diagnostic[] {
    const { refused } = this.#watches;
    if (refused === undefined) return [...this.reader.diagnostics];
    const message = 'the system does not watch more folders for this process; changes are looked for every second instead';
    return [...this.reader.diagnostics, { ...finding('NotWatched', message), location: { file: refused, line: 1, column: 1 } }];
  }
}
