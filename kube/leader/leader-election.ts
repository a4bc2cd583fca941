import type { ApiClient } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import { type Clock, MONOTONIC_CLOCK } from '../clock.ts';
import type { Leadership } from './leadership.ts';
import { heldRecord, type LeaseRecord, leaseManifest, readLease, releasedRecord, type StoredLease } from './lease.ts';

export interface LeaderElectionOptions {
  readonly client: Pick<ApiClient, 'request'>;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Of this process and no other, not even of the next one in the same pod: `POD_UUID`. */
  readonly identity: string;
  /** How long others leave a lease alone that is not renewed, in whole seconds; default 15 s. */
  readonly leaseMs?: number;
  /** How long after its last renewal a leader goes on; default 10 s. What is left of the lease is for writes that are under way. */
  readonly renewMs?: number;
  /** Between two attempts; default 2 s. */
  readonly retryMs?: number;
  readonly onStartedLeading: (leadership: Leadership) => void;
  /** Called when leadership has ended and its signal is aborted. A graceful stop gives the lease back when the promise is kept. */
  readonly onStoppedLeading?: () => void | Promise<void>;
  /** Called with the identity of each new leader, and an empty one when the lease was given back. */
  readonly onNewLeader?: (identity: string) => void;
  /** Called when an attempt failed in a way that is no part of the game. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
  /** Only written into the Lease, for people: nobody's wall clock decides anything. */
  readonly wallClock?: () => Date;
  /** From 0 to less than 1. */
  readonly random?: () => number;
}

interface Term {
  readonly abort: AbortController;
  /** Until when it lasts unless it is renewed. */
  deadline: number;
  cancelTimer: (() => void) | undefined;
}

/**
 * Elects one of several processes by a Lease, as client-go does and together with its users. A lease is free when it has not *changed*
 * for its whole duration by the clock of whoever watches it, so clocks that disagree do no harm. A leader counts from before it
 * sent its last successful renewal and gives up `renewMs` later, so it has stopped before any other can begin.
 *
 * It is stricter than client-go in one thing, an etcd that was restored to an older revision: a Lease that is gone, or older than one that
 * was seen, is taken for one that has just been renewed, and a lease that names this process gives it no right that it did not have.
 *
 * @see https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  readonly #path: string;
  readonly #stop = new AbortController();
  #seen: StoredLease | undefined;
  /** Until when the lease that was seen last is not free. */
  #heldUntil = 0;
  #term: Term | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? MONOTONIC_CLOCK;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewMs = options.renewMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2_000;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  /** Begins to stand for election, until `stop`. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Ends leadership, waits until its holder has stopped, and gives the lease back, so that the next takes over at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    const wasLeading = this.#term !== undefined && this.#isHeld(this.#term);
    await this.#endTerm();
    if (wasLeading) await this.#release();
  }

  get isLeading(): boolean {
    return this.#term !== undefined && this.#isHeld(this.#term);
  }

  /** The identity of the leader that was seen last; empty where there is none. */
  get leader(): string {
    return this.#seen?.record.holder ?? '';
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#attempt();
      // Those who wait spread, so that they do not all ask at once.
      const spread = this.#term ? 1 : 1 + (this.#options.random ?? Math.random)() * 1.2;
      await this.#sleep(this.#retryMs * spread);
    }
  }

  async #attempt(): Promise<void> {
    if (this.#term && !this.#isHeld(this.#term)) await this.#endTerm();
    const sentAt = this.#clock.now();
    try {
      const won = await this.#tryToHold();
      // It took so long that it is over already; a process may have been stopped in the meantime.
      if (this.#stop.signal.aborted || this.#clock.now() >= sentAt + this.#renewMs) return;
      if (won) this.#prolong(sentAt + this.#renewMs);
      else await this.#endTerm();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#options.onError?.(error);
    }
  }

  /** @returns whether the lease is ours from now on; false where it is somebody else's. Throws where that is not known. */
  async #tryToHold(): Promise<boolean> {
    const { client, identity } = this.#options;
    const now = this.#options.wallClock?.() ?? new Date();
    const isRenewal = this.#term !== undefined;
    // A leader knows the Lease that it wrote, and need not ask for it.
    if (!isRenewal || this.#seen === undefined) await this.#look();
    const before = this.#seen;
    if (!isRenewal && this.#clock.now() < this.#heldUntil) return false;
    if (isRenewal && before?.record.holder !== identity) return false;
    const record = heldRecord(identity, this.#leaseMs, before?.record, now);
    try {
      this.#note(readLease(await client.request(this.#writeRequest(record, before?.resourceVersion))));
      return true;
    } catch (error) {
      if (!(error instanceof ApiError && ['conflict', 'already-exists', 'not-found'].includes(error.code))) throw error;
      await this.#look();
      // Ours still, but not as we know it: an answer was lost, or somebody added a label. The next attempt renews what is there now.
      if (isRenewal && this.#seen?.record.holder === identity) throw error;
      return false;
    }
  }

  async #look(signal = this.#limit()): Promise<void> {
    try {
      const path = `${this.#path}/${this.#options.name}`;
      this.#note(readLease(await this.#options.client.request({ path, signal })));
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'not-found')) throw error;
      if (this.#seen !== undefined) this.#heldUntil = this.#clock.now() + this.#leaseMs;
      this.#seen = undefined;
    }
  }

  #note(found: StoredLease): void {
    const before = this.#seen;
    if (before?.resourceVersion === found.resourceVersion) return;
    this.#seen = found;
    const isOlder = before !== undefined && BigInt(found.resourceVersion) < BigInt(before.resourceVersion);
    if (isOlder) this.#heldUntil = this.#clock.now() + this.#leaseMs;
    else if (!isSameRecord(before?.record, found.record)) this.#heldUntil = this.#freeAt(found.record);
    if (before?.record.holder !== found.record.holder) this.#options.onNewLeader?.(found.record.holder);
  }

  #freeAt({ holder, durationMs }: LeaseRecord): number {
    return holder === '' ? 0 : this.#clock.now() + (durationMs ?? this.#leaseMs);
  }

  #writeRequest(record: LeaseRecord, resourceVersion: string | undefined, signal = this.#limit()) {
    const { name, namespace } = this.#options;
    const body = leaseManifest(name, namespace, record, resourceVersion);
    if (resourceVersion === undefined) return { method: 'POST', path: this.#path, body, signal } as const;
    return { method: 'PUT', path: `${this.#path}/${name}`, body, signal } as const;
  }

  /** No attempt takes so long that there would be no time for another. */
  #limit(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#renewMs / 2)]);
  }

  #isHeld(term: Term): boolean {
    return !term.abort.signal.aborted && this.#clock.now() < term.deadline;
  }

  #prolong(deadline: number): void {
    const isNew = this.#term === undefined;
    const term = this.#term ?? { abort: new AbortController(), deadline, cancelTimer: undefined };
    this.#term = term;
    term.deadline = deadline;
    term.cancelTimer?.();
    term.cancelTimer = this.#clock.after(deadline - this.#clock.now(), () => void this.#endTerm());
    if (isNew) this.#options.onStartedLeading({ signal: term.abort.signal, isHeld: () => this.#isHeld(term) });
  }

  async #endTerm(): Promise<void> {
    const term = this.#term;
    if (term === undefined) return;
    this.#term = undefined;
    term.cancelTimer?.();
    term.abort.abort(new Error('leadership ended'));
    await this.#options.onStoppedLeading?.();
  }

  async #release(): Promise<void> {
    const signal = AbortSignal.timeout(this.#renewMs / 2);
    const now = this.#options.wallClock?.() ?? new Date();
    try {
      // A renewal that the stop interrupted may have been written, so the Lease may not be as it was seen last.
      await this.#look(signal);
      const seen = this.#seen;
      if (seen?.record.holder !== this.#options.identity) return;
      await this.#options.client.request(this.#writeRequest(releasedRecord(seen.record, now), seen.resourceVersion, signal));
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  async #sleep(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#stop;
    const wake = () => resolve();
    const cancel = this.#clock.after(delayMs, wake);
    signal.addEventListener('abort', wake, { once: true });
    if (signal.aborted) wake();
    await promise;
    signal.removeEventListener('abort', wake);
    cancel();
  }
}

function isSameRecord(a: LeaseRecord | undefined, b: LeaseRecord): boolean {
  return a !== undefined && a.holder === b.holder && a.renewTime === b.renewTime && a.transitions === b.transitions;
}
