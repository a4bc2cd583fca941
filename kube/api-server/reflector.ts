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
/** However well it goes, everything is listed again after this time: what etcd lost while nobody looked shows nowhere else. */
const RELIST_AFTER_MS = 30 * 60_000;
/** How often a kind is looked for that the server does not have. */
const ABSENT_PAUSE_MS = 5_000;
const METADATA = 'PartialObjectMetadata';

export interface ReflectorEvent {
  readonly kind: string;
  /**
   * `lost` is each failure to list or watch, with its error; `ended` is a watch that the server ended, as it does now and then; `absent`
   * is told once when the server turns out not to have an optional kind, of which there are no objects then.
   */
  readonly type: 'listed' | 'ended' | 'lost' | 'absent';
  readonly error?: ApiError;
}

/** Takes what a reflector finds. */
export interface ReflectorSink {
  /** Also of an object that did not change, when everything was listed again. */
  put(object: RawObject): void;
  remove(namespace: string, name: string): void;
  event(event: ReflectorEvent): void;
}

/**
 * Keeps a sink equal to one resource of an API server: lists it page by page, then watches it, and resumes a watch where it
 * ended. What is gone is told only when a list is complete; a failure takes nothing away.
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export class Reflector {
  readonly #client: ApiClient;
  readonly #resource: WatchedResource;
  readonly #sink: ReflectorSink;
  readonly #path: string;
  /** Version of each object, by `namespace/name`. */
  readonly #known = new Map<string, string>();
  readonly #relistAfterMs: number;
  #resourceVersion: string | undefined;
  #listedAt = 0;
  #failures = 0;
  #isAbsent = false;

  constructor(client: ApiClient, resource: WatchedResource, sink: ReflectorSink, relistAfterMs = RELIST_AFTER_MS) {
    this.#client = client;
    this.#relistAfterMs = relistAfterMs;
    this.#resource = resource;
    this.#sink = sink;
    this.#path = `${groupPath(resource.apiVersion)}/${resource.plural}`;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined || performance.now() - this.#listedAt > this.#relistAfterMs) await this.#list(signal);
        else await this.#checkServer(this.#resourceVersion, signal);
        const began = performance.now();
        await this.#watch(signal);
        this.#sink.event({ kind: this.#resource.kind, type: 'ended' });
        // A server that ends every watch at once must not be asked without a pause.
        if (performance.now() - began < 1_000) await sleep(FIRST_PAUSE_MS, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        if (this.#resource.optional && error.status === 404) await this.#waitForKind(signal);
        else await this.#recover(error, signal);
      }
    }
  }

  async #waitForKind(signal: AbortSignal): Promise<void> {
    this.#resourceVersion = undefined;
    this.#failures = 0;
    if (!this.#isAbsent) {
      this.#isAbsent = true;
      this.#removeAllBut(new Set());
      this.#sink.event({ kind: this.#resource.kind, type: 'absent' });
    }
    await sleep(ABSENT_PAUSE_MS, undefined, { signal }).catch(() => {});
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
    const seen = new Set<string>();
    let next: string | undefined;
    let resourceVersion = '';
    do {
      const page = await this.#page({ limit: String(PAGE), ...(next !== undefined && { continue: next }) }, signal);
      for (const item of itemsOf(page, this.#path)) {
        const object = readRawObject(item);
        const key = `${object.namespace}/${object.name}`;
        seen.add(key);
        // Even if its version is known: an older etcd gives out versions a second time, for other contents.
        this.#known.set(key, object.version);
        this.#sink.put(object);
      }
      const token = field(field(page, 'metadata'), 'continue');
      next = typeof token === 'string' && token !== '' ? token : undefined;
      resourceVersion = resourceVersionOf(page);
    } while (next !== undefined);
    this.#removeAllBut(seen);
    this.#isAbsent = false;
    this.#resourceVersion = resourceVersion;
    this.#listedAt = performance.now();
    this.#sink.event({ kind: this.#resource.kind, type: 'listed' });
  }

  /**
   * A watch from a version that the server has not reached is no error: what happens until then is silently left out of it. A
   * list says so. Servers are behind after etcd was restored, or where several stand behind one address.
   */
  async #checkServer(resourceVersion: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#page({ limit: '1', resourceVersion, resourceVersionMatch: 'NotOlderThan' }, signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 504) throw new ApiError('gone', error.message, { status: 504, cause: error });
      throw error;
    }
  }

  #page(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> {
    return this.#client.request({ path: this.#path, query: { ...this.#selector(), ...query }, accept: this.#accept('List'), signal });
  }

  #removeAllBut(seen: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) {
      if (seen.has(key)) continue;
      this.#known.delete(key);
      const slash = key.indexOf('/');
      this.#sink.remove(key.slice(0, slash), key.slice(slash + 1));
    }
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
    if (type === 'ERROR') {
      const code = field(raw, 'code');
      throw errorOfStatus(typeof code === 'number' ? code : 500, raw, this.#path);
    }
    const version = resourceVersionOf(raw);
    // No API server does this, and what such a watch leaves out cannot be known.
    if (isOlder(version, this.#resourceVersion)) throw new ApiError('gone', `${this.#path}: events came out of their order`);
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(readRawObject(raw));
    else if (type === 'DELETED') {
      const { namespace, name } = readRawObject(raw);
      if (this.#known.delete(`${namespace}/${name}`)) this.#sink.remove(namespace, name);
    } else if (type !== 'BOOKMARK') throw new ApiError('server-error', `${this.#path}: an event of an unknown type`);
    this.#resourceVersion = version || this.#resourceVersion;
  }

  #selector(): Record<string, string> {
    return this.#resource.fieldSelector === undefined ? {} : { fieldSelector: this.#resource.fieldSelector };
  }

  #accept(suffix: 'List' | ''): string {
    const { onWant, metadataOnly } = this.#resource;
    return onWant || metadataOnly ? `application/json;as=${METADATA}${suffix};g=meta.k8s.io;v=v1` : 'application/json';
  }
}

/** Go writes an empty list of metadata as null. */
function itemsOf(page: unknown, path: string): readonly unknown[] {
  const kind = field(page, 'kind');
  const items = field(page, 'items') ?? (typeof kind === 'string' && kind.endsWith('List') ? [] : undefined);
  if (!Array.isArray(items)) throw new ApiError('server-error', `${path}: the answer is no list`);
  return items;
}

/** @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions (of one resource they are in order) */
function isOlder(version: string, than: string | undefined): boolean {
  const digits = /^[1-9]\d*$/;
  if (than === undefined || !digits.test(version) || !digits.test(than)) return false;
  return version.length === than.length ? version < than : version.length < than.length;
}
