import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../controller/admin/status.ts';
import { describeFailure } from './describe-failure.ts';
import type { Log } from './log.ts';

/** @returns what ends it, where that is for the task to do @throws what says why it cannot begin */
export type BeginTask = (signal: AbortSignal) => Promise<AsyncDisposable | undefined>;

export interface SideTask extends AsyncDisposable {
  /** Resolves once it has begun, or was tried for the first time. */
  readonly tried: Promise<void>;
}

export interface SideTasksOptions {
  readonly log: Log;
  /** Before what failed is tried again, in milliseconds. Default 5 s. */
  readonly retryMs?: number;
}

const RETRY_MS = 5_000;

/** What a process does beside what it is there for. What of it cannot begin is told of, shown and tried again, and keeps nobody from anything else. */
export class SideTasks {
  readonly #options: SideTasksOptions;
  readonly #failures = new Map<string, string>();

  constructor(options: SideTasksOptions) {
    this.#options = options;
  }

  /**
   * Begins one, now or once it can be.
   * @param what names it, for people; no other task of the process has the name
   */
  begin(what: string, begin: BeginTask): SideTask {
    const over = new AbortController();
    const tried = Promise.withResolvers<void>();
    const running = this.#run(what, begin, { signal: over.signal, onTried: tried.resolve });
    return {
      tried: tried.promise,
      [Symbol.asyncDispose]: async () => {
        over.abort();
        const begun = await running;
        await begun?.[Symbol.asyncDispose]();
      },
    };
  }

  /** What could not begin by now, and why. */
  failing(): NonNullable<Status['failing']> {
    return [...this.#failures].map(([what, reason]) => ({ what, reason }));
  }

  async #run(
    what: string,
    begin: BeginTask,
    { signal, onTried }: { readonly signal: AbortSignal; readonly onTried: () => void },
  ): Promise<AsyncDisposable | undefined> {
    const { retryMs = RETRY_MS } = this.#options;
    while (!signal.aborted) {
      try {
        const begun = await begin(signal);
        this.#noteBegun(what);
        onTried();
        return begun;
      } catch (error) {
        if (!signal.aborted) this.#noteFailure(what, describeFailure(error));
      }
      onTried();
      await sleep(retryMs, undefined, { signal, ref: false }).catch(() => {});
    }
    this.#failures.delete(what);
    return undefined;
  }

  #noteFailure(what: string, reason: string): void {
    if (this.#failures.get(what) === reason) return;
    this.#failures.set(what, reason);
    this.#options.log({ level: 'error', event: 'failing', text: `${what}: ${reason}; trying again, all else goes on` });
  }

  #noteBegun(what: string): void {
    if (this.#failures.delete(what)) this.#options.log({ level: 'info', event: 'recovered', text: `${what}: begun after all` });
  }
}
