import { type Clock, MONOTONIC_CLOCK } from '../clock.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { type RawObject, readRawObject } from './raw-object.ts';

const AT_ONCE = 8;
const PAUSES_MS = [500, 1_000, 2_000, 5_000, 10_000, 30_000];
const LONGEST_PAUSE_MS = 30_000;
/** Whoever waits for a Secret that the API server does not give, goes on without it after this time. */
const PATIENCE_MS = 10_000;

/** Takes the Secrets that are wanted. */
export interface SecretSink {
  put(object: RawObject): void;
  remove(key: string): void;
  /** Of a Secret that could not be got; it is tried again. */
  failed(error: ApiError): void;
  /** Something was settled. */
  changed(): void;
}

interface WantedSecret {
  /** The metadata has shown a version since the content was asked for last. */
  isDue: boolean;
  isRunning: boolean;
  isHeld: boolean;
  failures: number;
  stopPatience: () => void;
  stopRetry: () => void;
}

const NOTHING = () => {};

/**
 * Gets the contents of the Secrets that are wanted, by `namespace/name`, each time its metadata shows another version. What
 * cannot be got keeps its former content and is tried again; 403 and 404 are answers, anything else is waited for ten seconds.
 */
export class WantedSecrets {
  readonly #client: ApiClient;
  readonly #sink: SecretSink;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #existing = new Set<string>();
  readonly #wanted = new Map<string, WantedSecret>();
  readonly #queue = new Set<string>();
  /** Those that somebody may be waiting for. */
  readonly #open = new Set<WantedSecret>();
  readonly #failing = new Map<string, ApiError>();
  #running = 0;

  constructor(client: ApiClient, sink: SecretSink, signal: AbortSignal, clock: Clock = MONOTONIC_CLOCK) {
    this.#client = client;
    this.#sink = sink;
    this.#signal = signal;
    this.#clock = clock;
    signal.addEventListener('abort', () => {
      for (const secret of this.#wanted.values()) stop(secret);
    });
  }

  /** Whether nobody need wait: of all that are wanted and exist the content is known, or it was waited for in vain. */
  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  /** Why Secrets that are wanted could not be got, by `namespace/name`. */
  get failing(): ReadonlyMap<string, ApiError> {
    return this.#failing;
  }

  want(key: string): void {
    if (this.#wanted.has(key)) return;
    const secret: WantedSecret = {
      isDue: false,
      isRunning: false,
      isHeld: false,
      failures: 0,
      stopPatience: NOTHING,
      stopRetry: NOTHING,
    };
    this.#wanted.set(key, secret);
    if (this.#existing.has(key)) this.#demand(key, secret);
  }

  /** No longer wanted. */
  forget(key: string): void {
    const secret = this.#wanted.get(key);
    if (!secret) return;
    this.#drop(key, secret);
    this.#wanted.delete(key);
  }

  /** Its metadata came; each time the content is got again. */
  see(key: string): void {
    this.#existing.add(key);
    const secret = this.#wanted.get(key);
    if (secret) this.#demand(key, secret);
  }

  gone(key: string): void {
    this.#existing.delete(key);
    const secret = this.#wanted.get(key);
    if (secret) this.#drop(key, secret);
  }

  #drop(key: string, secret: WantedSecret): void {
    const { isHeld } = secret;
    stop(secret);
    Object.assign(secret, { isDue: false, isHeld: false, failures: 0 });
    this.#queue.delete(key);
    this.#failing.delete(key);
    if (isHeld) this.#sink.remove(key);
    this.#close(secret);
  }

  #demand(key: string, secret: WantedSecret): void {
    if (this.#signal.aborted) return;
    secret.stopRetry();
    secret.isDue = true;
    secret.failures = 0;
    if (!this.#open.has(secret)) {
      this.#open.add(secret);
      secret.stopPatience = this.#clock.after(PATIENCE_MS, () => this.#close(secret));
    }
    this.#enqueue(key, secret);
  }

  #close(secret: WantedSecret): void {
    secret.stopPatience();
    this.#open.delete(secret);
    this.#sink.changed();
  }

  #enqueue(key: string, secret: WantedSecret): void {
    if (!secret.isRunning) this.#queue.add(key);
    this.#advance();
  }

  #advance(): void {
    for (const key of this.#queue) {
      if (this.#running >= AT_ONCE) return;
      this.#queue.delete(key);
      const secret = this.#wanted.get(key);
      if (secret) void this.#get(key, secret);
    }
  }

  async #get(key: string, secret: WantedSecret): Promise<void> {
    this.#running += 1;
    secret.isRunning = true;
    secret.isDue = false;
    const result = await this.#ask(key);
    this.#running -= 1;
    secret.isRunning = false;
    if (this.#signal.aborted) return;
    // It may have been dropped, or have gone, while it was on the way.
    if (this.#wanted.get(key) === secret && this.#existing.has(key)) this.#settle(key, secret, result);
    if (secret.isDue) this.#queue.add(key);
    this.#advance();
  }

  #settle(key: string, secret: WantedSecret, result: RawObject | ApiError): void {
    if (!(result instanceof ApiError)) {
      secret.isHeld = true;
      secret.failures = 0;
      this.#failing.delete(key);
      this.#sink.put(result);
      if (!secret.isDue) this.#close(secret);
      return;
    }
    // Deleted after its metadata came, which will be told; or hidden from us, which is the same as far as we can see.
    if (result.code === 'not-found') this.#failing.delete(key);
    else {
      this.#failing.set(key, result);
      this.#sink.failed(result);
    }
    const isAnswer = result.code === 'not-found' || result.code === 'forbidden';
    if (isAnswer) this.#close(secret);
    const pause = isAnswer ? LONGEST_PAUSE_MS : (PAUSES_MS[secret.failures] ?? LONGEST_PAUSE_MS);
    secret.failures += 1;
    secret.stopRetry = this.#clock.after((result.retryAfterMs ?? 0) + pause * (0.5 + Math.random() / 2), () => this.#enqueue(key, secret));
  }

  async #ask(key: string): Promise<RawObject | ApiError> {
    const [namespace = '', name = ''] = key.split('/').map(encodeURIComponent);
    const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
    try {
      return readRawObject(await this.#client.request({ path, signal: this.#signal }));
    } catch (error) {
      return error instanceof ApiError ? error : new ApiError('server-error', `${path}: an error that nobody foresaw`, { cause: error });
    }
  }
}

function stop(secret: WantedSecret): void {
  secret.stopPatience();
  secret.stopRetry();
}
