import { z } from 'zod';
import type { ApiClient } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import { type Clock, MONOTONIC_CLOCK } from '../clock.ts';
import type { Leadership } from '../leader/leadership.ts';
import { formatMicroTime } from '../micro-time.ts';
import { draftEvent, type EventDraft, type EventFinding, eventManifest } from './event.ts';
import { collectionPath, objectPath } from './resource-path.ts';
import { TokenBucket } from './token-bucket.ts';

export interface EventRecorderOptions {
  readonly client: Pick<ApiClient, 'request'>;
  /** Which process writes, such as the name of its pod. */
  readonly instance: string;
  /** Default: 1 a second, 50 at once. However much is found, no more is written. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
  /** After how long a finding that lasts is told again, in milliseconds. Default 30 minutes: API servers forget Events after an hour. */
  readonly refreshMs?: number;
  readonly clock?: Clock;
  readonly wallClock?: () => Date;
}

const CONTROLLER = 'sluice.io/controller';
const AFTER_FAILURE_MS = 10_000;
const TIMEOUT_MS = 30_000;

const eventSeries = z.object({ series: z.object({ count: z.int() }).optional() });

interface Told {
  readonly draft: EventDraft;
  /** Undefined while it has not been told. */
  toldAt: number | undefined;
}

/**
 * Tells findings as Events on their objects, where `kubectl describe` shows them. Every finding has a name, so that it is one Event
 * however often and by however many replicas it is found. A finding that goes away leaves its Event to be forgotten.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;
  readonly #present = new Map<string, Told>();
  /** In the order in which they were told. */
  readonly #told = new Map<string, Told>();
  /** Keys of what is to be told; errors before warnings. */
  readonly #queues = { error: new Set<string>(), warning: new Set<string>(), info: new Set<string>() };
  #leadership: Leadership | undefined;
  #isWriting = false;
  #cancelTimer: (() => void) | undefined;
  #quietUntil = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? MONOTONIC_CLOCK;
    this.#bucket = new TokenBucket(this.#clock, options.rate ?? { perSecond: 1, burst: 50 });
  }

  /** Takes over all findings that there now are. */
  sync(findings: Iterable<EventFinding>): void {
    const gone = new Set(this.#present.keys());
    for (const finding of findings) {
      const draft = draftEvent(finding);
      if (draft === undefined) continue;
      const key = `${draft.ref.namespace}/${draft.ref.name}`;
      gone.delete(key);
      if (this.#present.has(key)) continue;
      this.#present.set(key, { draft, toldAt: undefined });
      this.#queues[draft.severity].add(key);
    }
    for (const key of gone) {
      this.#present.delete(key);
      this.#told.delete(key);
      for (const queue of Object.values(this.#queues)) queue.delete(key);
    }
    this.#next();
  }

  /** Begins to write, for as long as leadership lasts. */
  resume(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#next();
  }

  pause(): void {
    this.#leadership = undefined;
    this.#cancelTimer?.();
  }

  /** Findings that are still to be told. */
  get waiting(): number {
    return Object.values(this.#queues).reduce((sum, queue) => sum + queue.size, 0);
  }

  #next(): void {
    const leadership = this.#leadership;
    if (leadership === undefined || !leadership.isHeld() || this.#isWriting) return;
    this.#queueRefreshes();
    const key = this.#firstKey();
    const told = key === undefined ? undefined : this.#present.get(key);
    if (key === undefined || told === undefined) {
      this.#nextIn(this.#untilRefresh());
      return;
    }
    const waitMs = Math.max(this.#quietUntil - this.#clock.now(), 0) || this.#bucket.take();
    if (waitMs > 0) {
      this.#nextIn(waitMs);
      return;
    }
    this.#queues[told.draft.severity].delete(key);
    this.#isWriting = true;
    void this.#tell(told, leadership).finally(() => {
      this.#isWriting = false;
      this.#next();
    });
  }

  #nextIn(delayMs: number | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = delayMs === undefined ? undefined : this.#clock.after(delayMs, () => this.#next());
  }

  #firstKey(): string | undefined {
    for (const queue of [this.#queues.error, this.#queues.warning]) for (const key of queue) return key;
    return undefined;
  }

  #queueRefreshes(): void {
    const before = this.#clock.now() - this.#refreshMs;
    for (const [key, { draft, toldAt }] of this.#told) {
      if (toldAt === undefined || toldAt > before) return;
      this.#told.delete(key);
      this.#queues[draft.severity].add(key);
    }
  }

  #untilRefresh(): number | undefined {
    const [first] = this.#told.values();
    return first?.toldAt === undefined ? undefined : Math.max(1, first.toldAt + this.#refreshMs - this.#clock.now());
  }

  get #refreshMs(): number {
    return this.#options.refreshMs ?? 30 * 60_000;
  }

  async #tell(told: Told, leadership: Leadership): Promise<void> {
    const signal = AbortSignal.any([leadership.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const isThere = told.toldAt !== undefined && (await this.#tellAgain(told.draft, signal));
      // An Event that another replica told, or this one before the finding went away for a while, is told again too.
      if (!isThere && !(await this.#create(told.draft, signal))) await this.#tellAgain(told.draft, signal);
      this.#remember(told);
    } catch (error) {
      this.#failed(told, error);
    }
  }

  #remember(told: Told): void {
    told.toldAt = this.#clock.now();
    if (this.#present.has(keyOf(told))) this.#told.set(keyOf(told), told);
  }

  /** @returns false where there is such an Event already */
  async #create(draft: EventDraft, signal: AbortSignal): Promise<boolean> {
    const now = this.#options.wallClock?.() ?? new Date();
    const body = eventManifest(draft, { controller: CONTROLLER, instance: this.#options.instance }, now);
    const path = collectionPath('Event', draft.ref.namespace) ?? '';
    try {
      await this.#options.client.request({ method: 'POST', path, body, signal });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'already-exists') return false;
      throw error;
    }
  }

  /** @returns whether the Event was still there */
  async #tellAgain({ ref }: EventDraft, signal: AbortSignal): Promise<boolean> {
    const path = objectPath(ref) ?? '';
    try {
      const { series } = eventSeries.parse(await this.#options.client.request({ path, signal }));
      const lastObservedTime = formatMicroTime(this.#options.wallClock?.() ?? new Date());
      const body = { series: { count: (series?.count ?? 1) + 1, lastObservedTime } };
      await this.#options.client.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body, signal });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'not-found') return false;
      throw error;
    }
  }

  /** What is refused is left until it would be told again; what could not be sent waits. */
  #failed(told: Told, error: unknown): void {
    const isRefused = error instanceof ApiError && ['invalid', 'forbidden', 'not-found', 'conflict'].includes(error.code);
    if (isRefused) this.#remember(told);
    else {
      const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      this.#quietUntil = this.#clock.now() + Math.max(AFTER_FAILURE_MS, askedMs);
      if (this.#present.has(keyOf(told))) this.#queues[told.draft.severity].add(keyOf(told));
    }
  }
}

function keyOf({ draft }: Told): string {
  return `${draft.ref.namespace}/${draft.ref.name}`;
}
