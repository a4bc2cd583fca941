import type { FileContent } from './file-content.ts';
import type { Holdings } from './holdings.ts';
import type { FolderTiming } from './options.ts';
import { looksHalfWritten, lostKeys } from './suspicion.ts';

/** A file as it was found, which is not yet believed. */
interface Doubt {
  /** Absent for a file that is gone. */
  readonly content: FileContent | undefined;
  readonly halfWritten: boolean;
  /** When it was found to be so. */
  readonly since: number;
}

export interface Believed {
  /** When something that is doubted now may be believed; undefined for nothing. */
  readonly lookAgainAt: number | undefined;
  /** When the earliest of what is now believed was found; undefined where nothing is. */
  readonly since: number | undefined;
}

/** Holds back what files are found to hold until it is believable. Times are those of `performance.now()`. */
export class Doubts {
  readonly #holdings: Holdings;
  readonly #timing: FolderTiming;
  readonly #doubts = new Map<string, Doubt>();
  #lastLoss = Number.NEGATIVE_INFINITY;
  #cameBackAt = Number.NEGATIVE_INFINITY;
  #lossesWaitUntil = Number.NEGATIVE_INFINITY;

  constructor(holdings: Holdings, timing: FolderTiming) {
    this.#holdings = holdings;
    this.#timing = timing;
  }

  get paths(): IterableIterator<string> {
    return this.#doubts.keys();
  }

  contentOf(path: string): FileContent | undefined {
    return this.#doubts.get(path)?.content;
  }

  /** A file was found with this content, or not at all. */
  found(path: string, content: FileContent | undefined): void {
    const believed = this.#holdings.file(path);
    if (believed?.content === content && !believed?.trouble) {
      this.#doubts.delete(path);
      return;
    }
    const doubt = this.#doubts.get(path);
    if (doubt && doubt.content === content) return;
    const since = performance.now();
    this.#doubts.set(path, { content, halfWritten: content !== undefined && looksHalfWritten(believed?.content, content), since });
    if (this.#loses(path, content)) this.#lastLoss = since;
  }

  forget(path: string): void {
    this.#doubts.delete(path);
  }

  /** A folder has come back: it fills for a while, and what is not yet there is not lost. */
  cameBack(): void {
    this.#cameBackAt = performance.now();
    this.#lossesWaitUntil = this.#cameBackAt + this.#timing.comeback;
  }

  /** Something happened in the folders. */
  stirred(): void {
    const now = performance.now();
    if (now >= this.#lossesWaitUntil) return;
    this.#lossesWaitUntil = Math.min(now + this.#timing.comeback, this.#cameBackAt + this.#timing.maxComeback);
  }

  /** Believes all that there is no reason, or no more reason, to doubt. */
  believe(): Believed {
    const now = performance.now();
    let since: number | undefined;
    for (;;) {
      const due = [...this.#doubts].filter(([path, doubt]) => this.#timeToBelieve(path, doubt) <= now);
      for (const [path, doubt] of due) {
        this.#doubts.delete(path);
        if (doubt.content) this.#holdings.believe(doubt.content);
        else this.#holdings.believeGone(path);
        since = Math.min(since ?? doubt.since, doubt.since);
      }
      // What another file has taken over is not lost, so believing one may allow to believe the next.
      if (due.length === 0) return { lookAgainAt: this.#nextTime(), since };
    }
  }

  #nextTime(): number | undefined {
    const times = [...this.#doubts].map(([path, doubt]) => this.#timeToBelieve(path, doubt));
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  #timeToBelieve(path: string, { content, halfWritten, since }: Doubt): number {
    const { settle, maxSettle } = this.#timing;
    const written = halfWritten ? since + settle : since;
    if (!this.#loses(path, content)) return written;
    const lost = Math.min(since + maxSettle, Math.max(since, this.#lastLoss) + settle);
    return Math.max(written, lost, this.#lossesWaitUntil);
  }

  #loses(path: string, content: FileContent | undefined): boolean {
    const file = this.#holdings.file(path);
    return file !== undefined && lostKeys(file, content).some((key) => !this.#holdings.isElsewhere(key, path));
  }
}
