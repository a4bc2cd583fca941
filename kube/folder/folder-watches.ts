import { type FSWatcher, watch } from 'node:fs';
import { isAbsent } from './folder-error.ts';
import type { Lookout } from './folder-reader.ts';

export interface FolderEvents {
  /** Something happened to an entry of a folder whose files are read. */
  onEntry(folder: string, name: string): void;
  /** Something happened that cannot be told by one entry: all must be looked at. */
  onUnclear(): void;
}

interface Watch {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

interface Wanted {
  readonly identity: string;
  /** Whether any entry matters, or only those that links lead through. */
  whole: boolean;
  readonly linked: Set<string>;
}

/** Watches exactly the folders that the last survey came through. */
export class FolderWatches implements Lookout {
  readonly #events: FolderEvents;
  readonly #watches = new Map<string, Watch>();
  #wanted = new Map<string, Wanted>();
  #surveyed = new Map<string, Wanted>();
  #refused: string | undefined;

  constructor(events: FolderEvents) {
    this.#events = events;
  }

  /** A folder that the system would not watch since the last {@link beginSurvey}. */
  get refused(): string | undefined {
    return this.#refused;
  }

  beginSurvey(): void {
    this.#surveyed = new Map();
    this.#refused = undefined;
  }

  onFolder(path: string, identity: string): void {
    this.#want(path, identity).whole = true;
  }

  onLinked(folder: string, identity: string, name: string): void {
    this.#want(folder, identity).linked.add(name);
  }

  /** Lets go of folders that the survey did not come through. */
  endSurvey(): void {
    this.#wanted = this.#surveyed;
    for (const [path, { watcher }] of this.#watches) {
      if (this.#wanted.has(path)) continue;
      watcher.close();
      this.#watches.delete(path);
    }
  }

  close(): void {
    this.beginSurvey();
    this.endSurvey();
  }

  isFolder(path: string): boolean {
    return this.#wanted.get(path)?.whole ?? false;
  }

  #want(path: string, identity: string): Wanted {
    const known = this.#surveyed.get(path);
    if (known) return known;
    const wanted = { identity, whole: false, linked: new Set<string>() };
    this.#surveyed.set(path, wanted);
    this.#open(path, identity);
    return wanted;
  }

  #open(path: string, identity: string): void {
    const open = this.#watches.get(path);
    if (open?.identity === identity) return;
    open?.watcher.close();
    this.#watches.delete(path);
    try {
      const watcher = watch(path, (_event, name) => this.#onEvent(path, name));
      watcher.on('error', () => this.#onError(path, watcher));
      this.#watches.set(path, { identity, watcher });
    } catch (error) {
      if (!isAbsent(error)) this.#refused ??= path;
    }
  }

  #onEvent(path: string, name: string | null): void {
    const wanted = this.#surveyed.get(path) ?? this.#wanted.get(path);
    if (!wanted) return;
    if (name === null || wanted.linked.has(name)) this.#events.onUnclear();
    else if (wanted.whole) this.#events.onEntry(path, name);
  }

  #onError(path: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watches.get(path)?.watcher === watcher) this.#watches.delete(path);
    this.#events.onUnclear();
  }
}
