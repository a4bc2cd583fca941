import type { ObjectBatch } from '../source.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiError } from './api-error.ts';
import { describeUnreadable } from './describe-unreadable.ts';
import { ObjectCache } from './object-cache.ts';
import { Reflector, type ReflectorEvent, type ReflectorSink } from './reflector.ts';
import { WATCHED_RESOURCES, type WatchedResource } from './resources.ts';
import { WantedSecrets } from './wanted-secrets.ts';

export interface ApiServerSourceOptions {
  /** Default: {@link WATCHED_RESOURCES}. */
  readonly resources?: readonly WatchedResource[];
  /** After how long everything is listed again though nothing failed, in milliseconds; default half an hour. */
  readonly relistAfterMs?: number;
  /** For logs. Must not throw. */
  readonly onEvent?: (event: ReflectorEvent) => void;
}

/** How reading one kind goes. */
export interface KindState {
  readonly kind: string;
  /** Whether it has ever been listed as a whole. */
  readonly synced: boolean;
  /** When something was heard of it last, by `performance.now()`. */
  readonly heardAt: number | undefined;
  /** Why it cannot be read at present. */
  readonly error: ApiError | undefined;
}

/** One watch of all kinds, from its beginning to its abort. */
export class ApiServerWatch {
  readonly secrets: WantedSecrets;
  readonly #cache = new ObjectCache();
  readonly #states = new Map<string, KindState>();
  readonly #options: ApiServerSourceOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #runs: Promise<void>;
  #failure: { readonly error: unknown } | undefined;
  #hasBegun = false;
  #owed = false;
  #wake = Promise.withResolvers<void>();

  constructor(client: ApiClient, wanted: Iterable<string>, options: ApiServerSourceOptions, signal: AbortSignal) {
    this.#options = options;
    const own = AbortSignal.any([signal, this.#abort.signal]);
    own.addEventListener('abort', () => this.#wake.resolve());
    this.secrets = new WantedSecrets(
      client,
      {
        put: (object) => this.#cache.put('Secret', 'v1', object),
        remove: (key) => this.#cache.remove(secretRef(key)),
        failed: (error) => options.onEvent?.({ kind: 'Secret', type: 'lost', error }),
        changed: () => this.#wake.resolve(),
      },
      own,
    );
    for (const key of wanted) this.secrets.want(key);
    this.#signal = own;
    const resources = options.resources ?? WATCHED_RESOURCES;
    for (const { kind } of resources) this.#states.set(kind, { kind, synced: false, heardAt: undefined, error: undefined });
    const runs = resources.map((resource) => new Reflector(client, resource, this.#sinkOf(resource), options.relistAfterMs).run(own));
    this.#runs = Promise.all(runs).then(
      () => {},
      (error: unknown) => {
        if (!own.aborted) this.#failure = { error };
        this.#wake.resolve();
      },
    );
  }

  /** The next batch; undefined after the abort. */
  async next(): Promise<ObjectBatch | undefined> {
    for (;;) {
      if (this.#signal.aborted) return undefined;
      if (this.#failure) throw this.#failure.error;
      const batch = this.#isSynced() ? this.#take() : undefined;
      if (batch) return batch;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#runs;
  }

  /** Whether all that is wanted is known; if not, a batch will follow once it is. */
  complete(): boolean {
    // What came since the last batch is not known to whoever asks.
    const complete = this.#isSynced() && this.secrets.isComplete && this.#cache.isTaken;
    this.#owed ||= !complete;
    return complete;
  }

  state(): readonly KindState[] {
    const [secretError] = this.secrets.failing.values();
    const states = [...this.#states.values()];
    return states.map((state) => (state.kind === 'Secret' && !state.error ? { ...state, error: secretError } : state));
  }

  #take(): ObjectBatch | undefined {
    const answers = this.#owed && this.secrets.isComplete;
    const batch = this.#cache.take(!this.#hasBegun || answers, describeUnreadable(this.#states.values(), this.secrets.failing));
    if (!batch) return undefined;
    this.#hasBegun = true;
    if (answers) this.#owed = false;
    return batch;
  }

  #isSynced(): boolean {
    return this.#states.values().every(({ synced }) => synced);
  }

  #sinkOf({ kind, apiVersion, onWant }: WatchedResource): ReflectorSink {
    const event = (event: ReflectorEvent) => this.#tell(event);
    const heard = () => this.#hear(kind);
    if (onWant) {
      return {
        put: ({ namespace, name }) => {
          this.secrets.see(`${namespace}/${name}`);
          heard();
        },
        remove: (namespace, name) => {
          this.secrets.gone(`${namespace}/${name}`);
          heard();
        },
        event,
      };
    }
    return {
      put: (object) => {
        this.#cache.put(kind, apiVersion, object);
        heard();
      },
      remove: (namespace, name) => {
        this.#cache.remove({ kind, namespace, name });
        heard();
      },
      event,
    };
  }

  #hear(kind: string): void {
    const state = this.#states.get(kind);
    if (state) this.#states.set(kind, { ...state, heardAt: performance.now(), error: undefined });
    this.#wake.resolve();
  }

  #tell(event: ReflectorEvent): void {
    const state = this.#states.get(event.kind);
    const lost = event.type === 'lost';
    if (state) {
      const synced = state.synced || event.type === 'listed' || event.type === 'absent';
      this.#states.set(event.kind, { ...state, synced, error: event.error, heardAt: lost ? state.heardAt : performance.now() });
    }
    this.#wake.resolve();
    this.#options.onEvent?.(event);
  }
}

function secretRef(key: string) {
  const [namespace = '', name = ''] = key.split('/');
  return { kind: 'Secret', namespace, name };
}
