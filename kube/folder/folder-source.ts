import type { FieldPath, Location, ObjectRef } from '../../model/index.ts';
import type { ObjectBatch, ObjectSource } from '../source.ts';
import { FolderWatch } from './folder-watch.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMING, type FolderOptions } from './options.ts';

/**
 * Objects from the manifests (`.yaml`, `.yml`, `.json`) in folders and the folders in them. Hidden files are not read. Of an
 * object that stands in several places the first by file name, then position, counts. What is deleted, or looks as if its
 * writer had not finished, is believed only after it has stood for a moment (see {@link FolderTiming}); what cannot be
 * read, be it the folder itself, leaves the objects of before in force, and a diagnostic says so.
 * `docs/decisions/folder-watching.md` has the reasons.
 */
export class FolderSource implements ObjectSource {
  readonly #roots: readonly string[];
  readonly #options: FolderOptions;
  #watch: FolderWatch | undefined;

  /** @param roots folders, or single files of any name. */
  constructor(roots: string | readonly string[], options: FolderOptions = {}) {
    this.#roots = typeof roots === 'string' ? [roots] : roots;
    this.#options = options;
  }

  /**
   * Batches that nobody has taken yet become one. Ends, without an error, when the signal aborts.
   * @throws `FolderError` before the first batch, where a root does not exist or cannot be read.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    if (signal.aborted) return;
    const watch = new FolderWatch(
      this.#roots,
      { ...DEFAULT_LIMITS, ...this.#options.limits },
      { ...DEFAULT_TIMING, ...this.#options.timing },
    );
    this.#watch = watch;
    const close = () => watch.close();
    signal.addEventListener('abort', close);
    try {
      const first = await watch.start(signal);
      if (signal.aborted) return;
      yield first;
      for (let batch = await watch.next(); batch; batch = await watch.next()) yield batch;
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }

  /** For the watch that began last. */
  locate(object: ObjectRef, path: FieldPath): Location | undefined {
    return this.#watch?.reader.holdings.locate(object, path);
  }

  /** Secrets are read like everything else. */
  want(): boolean {
    return true;
  }

  wantNodes(): boolean {
    return true;
  }
}
