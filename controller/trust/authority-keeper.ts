import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, ApiError } from '../../kube/index.ts';
import { makeAuthority } from '../../pki/index.ts';
import { AuthorityObjects } from './authority-objects.ts';
import { type AuthorityTimes, DEFAULT_AUTHORITY_TIMES, planAuthority, takeStep } from './plan-authority.ts';

export interface AuthorityKeeperOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly times?: AuthorityTimes;
  /** How often to look whether all is as it should be, in milliseconds. Default 60 s. */
  readonly intervalMs?: number;
  /** Something failed; it is tried again. */
  readonly onError: (error: unknown) => void;
  readonly now?: () => Date;
}

const INTERVAL_MS = 60_000;
const RETRY_MS = 2_000;

/** What the leader does for the authority of the cluster: makes it, publishes it, and has another follow it in time. */
export class AuthorityKeeper {
  readonly #objects: AuthorityObjects;
  readonly #options: AuthorityKeeperOptions;
  readonly #times: AuthorityTimes;

  constructor(options: AuthorityKeeperOptions) {
    this.#objects = new AuthorityObjects(options.client, options.namespace);
    this.#options = options;
    this.#times = options.times ?? DEFAULT_AUTHORITY_TIMES;
  }

  /** Tends until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs = INTERVAL_MS, onError } = this.#options;
    while (!signal.aborted) {
      let delay = intervalMs;
      try {
        const at = await this.tend(signal);
        delay = Math.max(0, Math.min(intervalMs, at.getTime() - this.#now().getTime()));
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        delay = Math.min(intervalMs, RETRY_MS * (1 + Math.random()));
      }
      await sleep(delay, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Does what there is to do. What is trusted is published before the next step is taken, so that nothing is signed by whom
   * nobody could have come to know.
   * @returns when there is more
   * @throws ApiError, or TrustError `damaged-authority`
   */
  async tend(signal?: AbortSignal): Promise<Date> {
    const stored = await this.#objects.read(signal);
    if (!stored) return await this.#create();
    await this.#objects.publish(stored.state, signal);
    const now = this.#now();
    const { step, at } = planAuthority(stored.state, now, this.#times);
    if (!step) return at;
    signal?.throwIfAborted();
    await this.#objects.replace(takeStep(stored.state, step, now, await this.#make(now)), stored.resourceVersion);
    return now;
  }

  async #create(): Promise<Date> {
    const now = this.#now();
    try {
      await this.#objects.create({ current: await this.#make(now), since: now });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'already-exists') throw error;
    }
    return now;
  }

  #make(now: Date) {
    return makeAuthority({ lifetimeMs: this.#times.lifetimeMs, now });
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }
}
