import type { ObjectBatch } from '../source.ts';
import type { ApiClient } from './api-client.ts';
import type { ApiError } from './api-error.ts';
import { describeUnreadable } from './describe-unreadable.ts';
import { ObjectCache } from './object-cache.ts';
import { Reflector, type ReflectorEvent, type ReflectorSink } from './reflector.ts';
import { NODES, WATCHED_RESOURCES, type WatchedResource } from './resources.ts';
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
  readonly #client: ApiClient;
  readonly #options: ApiServerSourceOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #runs: Promise<unknown>[];
  /** Whether Nodes are read as all others are. */
  readonly #readsNodes: boolean;
  /** Ends the reading of Nodes, while they are wanted. */
  #nodes: AbortController | undefined;
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
    this.#readsNodes = resources.some(({ kind }) => kind === NODES.kind);
    for (const { kind } of resources) this.#states.set(kind, { kind, synced: false, heardAt: undefined, error: undefined });
    this.#client = client;
    this.#runs = resources.map((resource) => this.#follow(resource, own));
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
    await Promise.all(this.#runs);
  }

  /** Whether all that is wanted is known; if not, a batch will follow once it is. */
  complete(): boolean {
    // What came since the last batch is not known to whoever asks.
    const complete = this.#isSynced() && this.secrets.isComplete && this.#cache.isTaken;
    this.#owed ||= !complete;
    return complete;
  }

  /** Begins to read Nodes, or stops. @returns whether all of them are in the batches up to the last */
  wantNodes(wanted: boolean): boolean {
    const { kind } = NODES;
    if (this.#readsNodes) return wanted && this.complete();
    if (wanted && !this.#nodes) {
      this.#nodes = new AbortController();
      this.#states.set(kind, { kind, synced: false, heardAt: undefined, error: undefined });
      this.#runs.push(this.#follow(NODES, AbortSignal.any([this.#signal, this.#nodes.signal])));
    } else if (!wanted && this.#nodes) {
      this.#nodes.abort();
      this.#nodes = undefined;
      this.#states.delete(kind);
      this.#cache.removeKind(kind);
      this.#wake.resolve();
    }
    return this.#states.get(kind)?.synced === true && this.#cache.isTaken;
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
    return this.#states.values().every(({ kind, synced }) => synced || (kind === NODES.kind && !this.#readsNodes));
  }

  #follow(resource: WatchedResource, signal: AbortSignal): Promise<void> {
    const reflector = new Reflector(this.#client, resource, this.#sinkOf(resource, signal), this.#options.relistAfterMs);
    return reflector.run(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#failure = { error };
      this.#wake.resolve();
    });
  }

  #sinkOf({ kind, apiVersion, onWant }: WatchedResource, signal: AbortSignal): ReflectorSink {
    const event = (event: ReflectorEvent) => {
      if (!signal.aborted) this.#tell(event);
    };
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
        if (signal.aborted) return;
        this.#cache.put(kind, apiVersion, object);
        heard();
      },
      remove: (namespace, name) => {
        if (signal.aborted) return;
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
      // Whoever waits for Nodes waits for a batch, also where there are none.
      if (event.kind === NODES.kind && synced && !state.synced) this.#owed = true;
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
