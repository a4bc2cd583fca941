import { isDeepStrictEqual } from 'node:util';
import { type Diagnostic, objectKey } from '../../model/index.ts';
import type { ApiClient } from '../api-server/api-client.ts';
import { type Clock, MONOTONIC_CLOCK } from '../clock.ts';
import { finding } from '../codes.ts';
import type { Leadership } from '../leader/leadership.ts';
import type { Action } from './action.ts';
import { actionRequest, type Outcome, outcomeOf } from './action-request.ts';
import { TokenBucket } from './token-bucket.ts';
import { contestedDelay, failureDelay, isWorthTelling } from './write-delays.ts';

export interface ActionWriterOptions {
  readonly client: Pick<ApiClient, 'request'>;
  /** Writes under way at once; default 8. */
  readonly concurrency?: number;
  /** Writes a second in the long run, and at once; default 50 and 100. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** How long after a write the watch may take to show it, before it is written again; default 5 s. */
  readonly visibleWithinMs?: number;
  /** A write takes no longer; default 30 s. */
  readonly timeoutMs?: number;
  /** What an action has to wait for before it is carried out; undefined for nothing. A rejection is asked again after a while. */
  readonly before?: (action: Action) => Promise<void> | undefined;
  readonly onEvent?: (event: WriteEvent) => void;
  /** Called when `diagnostics()` has changed. */
  readonly onDiagnostics?: () => void;
  readonly clock?: Clock;
  /** From 0 to less than 1. */
  readonly random?: () => number;
}

/** For logs. */
export interface WriteEvent {
  readonly key: string;
  readonly action: Action;
  readonly outcome: Outcome;
  /** Until it is tried again, if it is still there then. */
  readonly againInMs: number;
}

export interface FailingWrite {
  readonly key: string;
  readonly action: Action;
  readonly attempts: number;
  readonly reason: string;
}

export interface WriterState {
  readonly isActive: boolean;
  /** Actions present, whether they wait, are under way or were carried out and are still to be seen. */
  readonly pending: number;
  readonly underWay: number;
  readonly failing: readonly FailingWrite[];
}

interface Entry {
  readonly key: string;
  readonly action: Action;
  readonly object: string;
  gate: 'unasked' | 'asked' | 'open';
  attempts: number;
  failure: Exclude<Outcome, { kind: 'written' }> | undefined;
  cancelTimer: (() => void) | undefined;
}

interface PastWrite {
  readonly action: Action;
  readonly times: number;
  readonly at: number;
}

/** Of the same content, after which they are counted from the start. */
const CONTEST_FORGOTTEN_MS = 60_000;

/**
 * Carries out whatever actions there are, while it is active. An action that was carried out is left alone until it goes away, which
 * is when the watch shows that its difference is gone; if it does not in time, it is carried out again. A failure delays only its own
 * action. At any time there is at most one write to an object, and it is that of the newest action of its key.
 */
export class ActionWriter {
  readonly #options: ActionWriterOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #bucket: TokenBucket;
  readonly #entries = new Map<string, Entry>();
  /** To be carried out as soon as limits allow, in order. */
  readonly #ready = new Set<Entry>();
  /** Objects that are being written to. */
  readonly #busy = new Set<string>();
  readonly #past = new Map<string, PastWrite>();
  #leadership: Leadership | undefined;
  #underWay: AbortController | undefined;
  #cancelWait: (() => void) | undefined;
  /** The API server wants to be left alone until then. */
  #quietUntil = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: ActionWriterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? MONOTONIC_CLOCK;
    this.#random = options.random ?? Math.random;
    this.#bucket = new TokenBucket(this.#clock, options.rate ?? { perSecond: 50, burst: 100 });
  }

  /** Takes over what has changed: the action that there now is by each key, or that there is none. */
  update(changed: Iterable<readonly [key: string, action: Action | undefined]>): void {
    let told = false;
    for (const [key, action] of changed) {
      const present = this.#entries.get(key);
      if (present && action && isDeepStrictEqual(present.action, action)) continue;
      if (present) told = this.#drop(present) || told;
      if (action) this.#add(key, action);
    }
    if (told) this.#options.onDiagnostics?.();
    this.#pump();
    this.#settle();
  }

  /** Begins to write, for as long as leadership lasts. */
  resume(leadership: Leadership): void {
    this.pause();
    if (leadership.signal.aborted) return;
    this.#leadership = leadership;
    this.#underWay = new AbortController();
    leadership.signal.addEventListener('abort', () => this.#leadership === leadership && this.pause(), { once: true });
    this.#pump();
  }

  /** Begins nothing more and aborts what is under way, which is carried out again after `resume`. */
  pause(): void {
    this.#leadership = undefined;
    this.#underWay?.abort();
    this.#underWay = undefined;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Resolves when there is no action and nothing is under way. */
  async idle(): Promise<void> {
    this.#idle ??= Promise.withResolvers();
    const { promise } = this.#idle;
    this.#settle();
    await promise;
  }

  state(): WriterState {
    const failing = [...this.#entries.values()].flatMap(({ key, action, attempts, failure }) =>
      failure ? [{ key, action, attempts, reason: failure.reason }] : [],
    );
    return { isActive: this.#leadership !== undefined, pending: this.#entries.size, underWay: this.#busy.size, failing };
  }

  /** What cannot be written, in the API server's words. */
  diagnostics(): readonly Diagnostic[] {
    return [...this.#entries.values()].flatMap(({ action, attempts, failure }) =>
      failure && isWorthTelling(failure, attempts)
        ? [{ ...finding('WriteRefused', `${VERBS[action.kind]} fails: ${failure.reason}`), object: action.ref }]
        : [],
    );
  }

  #add(key: string, action: Action): void {
    const entry: Entry = {
      key,
      action,
      object: objectKey(action.ref),
      gate: 'unasked',
      attempts: 0,
      failure: undefined,
      cancelTimer: undefined,
    };
    this.#entries.set(key, entry);
    this.#readyIn(entry, this.#contestedFor(key, action));
  }

  /** @returns whether there was a diagnostic about it */
  #drop(entry: Entry): boolean {
    this.#entries.delete(entry.key);
    this.#ready.delete(entry);
    entry.cancelTimer?.();
    return entry.failure !== undefined && isWorthTelling(entry.failure, entry.attempts);
  }

  #readyIn(entry: Entry, delayMs: number): void {
    entry.cancelTimer?.();
    entry.cancelTimer = undefined;
    if (this.#entries.get(entry.key) !== entry) return;
    if (delayMs <= 0) {
      this.#ready.add(entry);
      return;
    }
    entry.cancelTimer = this.#clock.after(delayMs, () => {
      entry.cancelTimer = undefined;
      this.#ready.add(entry);
      this.#pump();
    });
  }

  #pump(): void {
    const concurrency = this.#options.concurrency ?? 8;
    for (const entry of this.#ready) {
      if (this.#leadership === undefined || this.#busy.size >= concurrency) return;
      if (this.#busy.has(entry.object) || !this.#passesGate(entry)) continue;
      const waitMs = Math.max(this.#quietUntil - this.#clock.now(), 0) || this.#bucket.take();
      if (waitMs > 0) {
        this.#pumpIn(waitMs);
        return;
      }
      this.#ready.delete(entry);
      this.#busy.add(entry.object);
      void this.#write(entry);
    }
  }

  #pumpIn(delayMs: number): void {
    this.#cancelWait?.();
    this.#cancelWait = this.#clock.after(delayMs, () => this.#pump());
  }

  #passesGate(entry: Entry): boolean {
    if (entry.gate !== 'unasked') return entry.gate === 'open';
    const opens = this.#options.before?.(entry.action);
    entry.gate = opens ? 'asked' : 'open';
    if (opens === undefined) return true;
    this.#ready.delete(entry);
    opens.then(
      () => {
        entry.gate = 'open';
        this.#readyIn(entry, 0);
        this.#pump();
      },
      () => {
        entry.gate = 'unasked';
        this.#readyIn(entry, this.#options.visibleWithinMs ?? 5_000);
      },
    );
    return false;
  }

  async #write(entry: Entry): Promise<void> {
    const outcome = await this.#send(entry.action);
    this.#busy.delete(entry.object);
    if (outcome === undefined) this.#readyIn(entry, 0);
    else this.#take(entry, outcome);
    this.#pump();
    this.#settle();
  }

  /** @returns undefined where we were told to stop, and nobody knows whether it was written */
  async #send(action: Action): Promise<Outcome | undefined> {
    const signal = this.#underWay?.signal;
    if (signal === undefined || !this.#leadership?.isHeld()) {
      this.pause();
      return undefined;
    }
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs ?? 30_000)]);
      await this.#options.client.request({ ...actionRequest(action), signal: limited });
      return { kind: 'written' };
    } catch (error) {
      return signal.aborted ? undefined : outcomeOf(action, error);
    }
  }

  #take(entry: Entry, outcome: Outcome): void {
    if (outcome.kind === 'written') this.#remember(entry);
    if (outcome.kind === 'unavailable' && outcome.retryAfterMs !== undefined) {
      this.#quietUntil = Math.max(this.#quietUntil, this.#clock.now() + outcome.retryAfterMs);
    }
    const told = entry.failure !== undefined && isWorthTelling(entry.failure, entry.attempts);
    entry.attempts = outcome.kind === 'written' ? 0 : entry.attempts + 1;
    entry.failure = outcome.kind === 'written' ? undefined : outcome;
    const againInMs = entry.failure
      ? failureDelay(entry.failure, entry.attempts, this.#random())
      : (this.#options.visibleWithinMs ?? 5_000);
    this.#readyIn(entry, againInMs);
    this.#options.onEvent?.({ key: entry.key, action: entry.action, outcome, againInMs });
    if (told || (entry.failure && isWorthTelling(entry.failure, entry.attempts))) this.#options.onDiagnostics?.();
  }

  #remember({ key, action }: Entry): void {
    const now = this.#clock.now();
    const past = this.#past.get(key);
    const isSame = past !== undefined && now - past.at < CONTEST_FORGOTTEN_MS && isDeepStrictEqual(past.action, action);
    // In the order of time, so that what is old is at the beginning.
    this.#past.delete(key);
    this.#past.set(key, { action, times: isSame ? past.times + 1 : 1, at: now });
    for (const [oldKey, { at }] of this.#past) {
      if (now - at < CONTEST_FORGOTTEN_MS) return;
      this.#past.delete(oldKey);
    }
  }

  /** How long an action waits that was carried out before, whose result somebody else keeps undoing. */
  #contestedFor(key: string, action: Action): number {
    const past = this.#past.get(key);
    if (past === undefined || !isDeepStrictEqual(past.action, action)) return 0;
    return Math.max(0, past.at + contestedDelay(past.times) - this.#clock.now());
  }

  #settle(): void {
    if (this.#entries.size > 0 || this.#busy.size > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

const VERBS = { apply: 'writing it', delete: 'deleting it', status: 'writing its status' } as const;
