import type { StatusObject } from '@grpc/grpc-js';
import { NODE_METHODS, type ResourceChange } from '../serve/index.ts';
import type { RelayStore } from './store.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';
import { WILDCARD } from './wanted.ts';
import { type Delta, decodeDelta, encodeAnswer, encodeFirst } from './wire.ts';

export interface SubscriberOptions {
  readonly upstream: UpstreamAddress;
  /** What the controller is told; it need not believe it. */
  readonly nodeId: string;
  /** All that there is of each for this node is asked for. */
  readonly typeUrls: readonly string[];
  /** What was accepted before, and what is from now on. The subscriber does not close it. */
  readonly store: RelayStore;
  /**
   * Puts a change in force. Changes come one after the other; the first is all that is stored, if anything is.
   * @returns why resources are refused, by name; the rest is in force then. What it throws refuses all, and nothing is
   */
  readonly apply: (change: ResourceChange) => Promise<ReadonlyMap<string, string>>;
  /** Called once, when everything that is stored, or else sent of all types, is in force. */
  readonly onSynced?: () => void;
  readonly onEvent?: (event: SubscriberEvent) => void;
}

/** `refused`: what the controller sent could not be put in force; what was before stands. */
export type SubscriberEvent =
  | { readonly kind: 'connected'; readonly peer: string }
  | { readonly kind: 'disconnected'; readonly code: number; readonly message: string; readonly retryMs: number }
  | { readonly kind: 'refused'; readonly typeUrl: string; readonly name: string; readonly message: string };

export interface SubscriberState {
  /** Undefined while there is no controller that answers. */
  readonly controller: { readonly peer: string; readonly since: Date } | undefined;
  /** Whether all types were answered since the process started, or were stored. */
  readonly isSynced: boolean;
  readonly lastError: { readonly message: string; readonly at: Date } | undefined;
}

const [{ path: PATH } = { path: '' }] = NODE_METHODS;

/** Takes what a node is to be told beside its Envoy's configuration from controllers, and puts it in force. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #upstream: Upstream;
  /** What is under way; a response is answered after those before it. */
  #applying: Promise<void> = Promise.resolve();
  /** Counts streams: answers to one that is over are not sent. */
  #stream = 0;
  readonly #unanswered: Set<string>;
  #controller: SubscriberState['controller'];
  #lastError: SubscriberState['lastError'];

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#unanswered = new Set(options.typeUrls);
    const events = {
      onOpen: () => this.#subscribe(),
      onMessage: (bytes: Uint8Array) => this.#onMessage(bytes),
      onClose: (status: StatusObject, retryMs: number) => this.#onClose(status, retryMs),
    };
    this.#upstream = new Upstream(options.upstream, events, PATH);
  }

  /**
   * Puts in force what is stored, and then connects.
   * @throws what `apply` throws
   */
  async start(): Promise<void> {
    const upserts = [...this.#options.store.resources()];
    if (upserts.length > 0) {
      for (const [name, message] of await this.#options.apply({ upserts, removals: [] })) this.#tellRefused('', name, message);
      for (const typeUrl of this.#options.typeUrls) this.#noteSynced(typeUrl);
    }
    this.#upstream.open();
  }

  /** Ends the stream; what is in force stays. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#stream++;
    this.#upstream.close();
    await this.#applying;
  }

  state(): SubscriberState {
    return { controller: this.#controller, isSynced: this.#unanswered.size === 0, lastError: this.#lastError };
  }

  #subscribe(): void {
    this.#stream++;
    this.#controller = undefined;
    const { nodeId, typeUrls, store } = this.#options;
    const versions = new Map<string, Record<string, string>>(typeUrls.map((typeUrl) => [typeUrl, {}]));
    for (const { typeUrl, name, version } of store.resources()) {
      const ofType = versions.get(typeUrl);
      if (ofType) ofType[name] = version;
    }
    for (const [typeUrl, held] of versions) this.#upstream.send(encodeFirst({ id: nodeId, role: 'relay' }, typeUrl, [WILDCARD], held));
  }

  #onMessage(bytes: Uint8Array): void {
    const stream = this.#stream;
    let delta: Delta;
    try {
      delta = decodeDelta(bytes);
    } catch (error) {
      this.#upstream.fail(`the controller sent what is no response: ${String(error)}`);
      return;
    }
    this.#connected();
    this.#applying = this.#applying.then(() => this.#take(delta, stream));
  }

  async #take(delta: Delta, stream: number): Promise<void> {
    if (stream !== this.#stream) return;
    const { typeUrl, nonce, resources, removed } = delta;
    const refusals = await this.#apply({ upserts: resources, removals: removed.map((name) => ({ typeUrl, name })) });
    const { store } = this.#options;
    for (const resource of resources) if (!refusals.has(resource.name)) store.put(resource);
    for (const name of removed) if (!refusals.has(name)) store.delete({ typeUrl, name });
    for (const [name, message] of refusals) this.#tellRefused(typeUrl, name, message);
    this.#noteSynced(typeUrl);
    if (stream === this.#stream) this.#upstream.send(encodeAnswer(typeUrl, nonce, refusals));
  }

  async #apply(change: ResourceChange): Promise<ReadonlyMap<string, string>> {
    try {
      return await this.#options.apply(change);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return new Map([...change.upserts, ...change.removals].map(({ name }) => [name, message]));
    }
  }

  #connected(): void {
    if (this.#controller) return;
    const peer = this.#upstream.peer ?? '';
    this.#controller = { peer, since: new Date() };
    this.#options.onEvent?.({ kind: 'connected', peer });
  }

  #onClose({ code, details }: StatusObject, retryMs: number): void {
    this.#stream++;
    this.#controller = undefined;
    this.#lastError = { message: details, at: new Date() };
    this.#options.onEvent?.({ kind: 'disconnected', code, message: details, retryMs });
  }

  #noteSynced(typeUrl: string): void {
    if (this.#unanswered.delete(typeUrl) && this.#unanswered.size === 0) this.#options.onSynced?.();
  }

  #tellRefused(typeUrl: string, name: string, message: string): void {
    this.#options.onEvent?.({ kind: 'refused', typeUrl, name, message });
  }
}
