import { setTimeout as sleep } from 'node:timers/promises';
import { errorOfStatus } from './answer-error.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { field, type RawObject, readRawObject, resourceVersionOf } from './raw-object.ts';
import { groupPath, type WatchedResource } from './resources.ts';

const PAGE = 500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** After so many failures in a row to resume, everything is listed again. */
const MAX_RESUMPTIONS = 3;
const METADATA = 'PartialObjectMetadata';

export interface ReflectorEvent {
  readonly kind: string;
  /** `lost` is each failure to list or watch, with its error; `ended` is a watch that the server ended, as it does now and then. */
  readonly type: 'listed' | 'ended' | 'lost';
  readonly error?: ApiError;
}

/** Takes what a reflector finds. */
export interface ReflectorSink {
  put(object: RawObject): void;
  remove(namespace: string, name: string): void;
  event(event: ReflectorEvent): void;
}

/**
 * Keeps a sink equal to one resource of an API server: lists it page by page, then watches it, and resumes a watch where it
 * ended. A list is compared with what is known, so that the sink hears of differences alone; a failure takes nothing away.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export class Reflector {
  readonly #client: ApiClient;
  readonly #resource: WatchedResource;
  readonly #sink: ReflectorSink;
  readonly #path: string;
  /** Version of each object, by `namespace/name`. */
  readonly #known = new Map<string, string>();
  #resourceVersion: string | undefined;
  #failures = 0;

  constructor(client: ApiClient, resource: WatchedResource, sink: ReflectorSink) {
    this.#client = client;
    this.#resource = resource;
    this.#sink = sink;
    this.#path = `${groupPath(resource.apiVersion)}/${resource.plural}`;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        const began = performance.now();
        await this.#watch(signal);
        this.#sink.event({ kind: this.#resource.kind, type: 'ended' });
        // A server that ends every watch at once must not be asked without a pause.
        if (performance.now() - began < 1_000) await sleep(FIRST_PAUSE_MS, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        await this.#recover(error, signal);
      }
    }
  }

  async #recover(error: ApiError, signal: AbortSignal): Promise<void> {
    this.#failures += 1;
    this.#sink.event({ kind: this.#resource.kind, type: 'lost', error });
    // A server that was away may come back with an older etcd, from where a resumed watch would miss changes.
    const away = this.#failures > 1 && (error.code === 'unreachable' || error.code === 'server-error');
    if (error.code === 'gone' || error.code === 'invalid' || away || this.#failures > MAX_RESUMPTIONS) this.#resourceVersion = undefined;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
    // The first attempt to resume or to list anew is at once.
    const own = this.#failures === 1 && error.retryAfterMs === undefined ? 0 : pause;
    await sleep((error.retryAfterMs ?? 0) + own, undefined, { signal }).catch(() => {});
  }

  async #list(signal: AbortSignal): Promise<void> {
    const seen = new Map<string, string>();
    const changed: RawObject[] = [];
    let next: string | undefined;
    let resourceVersion = '';
    do {
      const query = { ...this.#selector(), limit: String(PAGE), ...(next !== undefined && { continue: next }) };
      const page = await this.#client.request({ path: this.#path, query, accept: this.#accept('List'), signal });
      // Go writes an empty list of metadata as null.
      const items = field(page, 'items') ?? (String(field(page, 'kind')).endsWith('List') ? [] : undefined);
      if (!Array.isArray(items)) throw new ApiError('server-error', `${this.#path}: the answer is no list`);
      for (const item of items) {
        const object = readRawObject(item);
        const key = `${object.namespace}/${object.name}`;
        seen.set(key, object.version);
        if (this.#known.get(key) !== object.version) changed.push(object);
      }
      const token = field(field(page, 'metadata'), 'continue');
      next = typeof token === 'string' && token !== '' ? token : undefined;
      resourceVersion = resourceVersionOf(page);
    } while (next !== undefined);
    this.#take(seen, changed);
    this.#resourceVersion = resourceVersion;
    this.#sink.event({ kind: this.#resource.kind, type: 'listed' });
  }

  #take(seen: ReadonlyMap<string, string>, changed: readonly RawObject[]): void {
    for (const key of this.#known.keys()) {
      if (seen.has(key)) continue;
      this.#known.delete(key);
      const slash = key.indexOf('/');
      this.#sink.remove(key.slice(0, slash), key.slice(slash + 1));
    }
    for (const object of changed) this.#put(object);
  }

  #put(object: RawObject): void {
    const key = `${object.namespace}/${object.name}`;
    if (this.#known.get(key) === object.version) return;
    this.#known.set(key, object.version);
    this.#sink.put(object);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const query = {
      ...this.#selector(),
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#resourceVersion ?? '',
      timeoutSeconds: String(300 + Math.floor(Math.random() * 300)),
    };
    for await (const event of this.#client.stream({ path: this.#path, query, accept: this.#accept(''), signal })) {
      this.#follow(field(event, 'type'), field(event, 'object'));
      this.#failures = 0;
    }
    this.#failures = 0;
  }

  #follow(type: unknown, raw: unknown): void {
    if (type === 'ERROR') throw errorOfStatus(Number(field(raw, 'code')) || 500, raw, this.#path);
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(readRawObject(raw));
    else if (type === 'DELETED') {
      const { namespace, name } = readRawObject(raw);
      if (this.#known.delete(`${namespace}/${name}`)) this.#sink.remove(namespace, name);
    } else if (type !== 'BOOKMARK') throw new ApiError('server-error', `${this.#path}: an event of an unknown type`);
    this.#resourceVersion = resourceVersionOf(raw) || this.#resourceVersion;
  }

  #selector(): Record<string, string> {
    return this.#resource.fieldSelector === undefined ? {} : { fieldSelector: this.#resource.fieldSelector };
  }

  #accept(suffix: 'List' | ''): string {
    return this.#resource.onWant ? `application/json;as=${METADATA}${suffix};g=meta.k8s.io;v=v1` : 'application/json';
  }
}
