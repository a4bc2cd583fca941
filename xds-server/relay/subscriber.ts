import type { StatusObject } from '@grpc/grpc-js';
import type { ResourceChange } from '../serve/index.ts';
import type { ClientKind } from './client-kind.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';
import { WILDCARD } from './wanted.ts';
import { type Delta, decodeDelta, encodeAnswer, encodeFirst } from './wire.ts';

export interface SubscriberOptions {
  /** A relay, or a controller. */
  readonly upstream: UpstreamAddress;
  /** All that there is for it of its types is asked for. */
  readonly kind: ClientKind;
  /** What the other end is told; it need not believe it. */
  readonly nodeId: string;
  /**
   * Puts a change in force. Changes come one after the other.
   * @returns why resources are refused, by name; the rest is in force then. What it throws refuses all, and nothing is
   */
  readonly apply: (change: ResourceChange) => Promise<ReadonlyMap<string, string>>;
  /** Called once, when all types have been answered, and not all of one refused: with an {@link ENFORCER}, when everything is in force. */
  readonly onSynced?: () => void;
  readonly onEvent?: (event: SubscriberEvent) => void;
}

/**
 * `disconnected`: or not connected at all, which is told once for each reason in a row. `refused`: what was sent could not be put in force;
 * what was before stands.
 */
export type SubscriberEvent =
  | { readonly kind: 'connected'; readonly peer: string }
  | { readonly kind: 'disconnected'; readonly code: number; readonly message: string; readonly retryMs: number }
  | { readonly kind: 'refused'; readonly typeUrl: string; readonly name: string; readonly message: string };

export interface SubscriberState {
  /** Undefined while nobody answers. */
  readonly peer: { readonly address: string; readonly since: Date } | undefined;
  /** Whether all types were sent since the process started, and something of each could be put in force. */
  readonly isSynced: boolean;
  readonly lastError: { readonly message: string; readonly at: Date } | undefined;
}

/** Takes resources of some types from a relay or a controller, puts them in force, and says what came of each. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #upstream: Upstream;
  /** What is under way; a response is answered after those before it. */
  #applying: Promise<void> = Promise.resolve();
  /** Counts streams: answers to one that is over are not sent. */
  #stream = 0;
  readonly #unanswered: Set<string>;
  /** Versions that are in force, by type URL and name. */
  readonly #held: ReadonlyMap<string, Map<string, string>>;
  #peer: SubscriberState['peer'];
  #lastError: SubscriberState['lastError'];

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#unanswered = new Set(options.kind.whole);
    this.#held = new Map(options.kind.whole.map((typeUrl) => [typeUrl, new Map()]));
    const events = {
      onOpen: () => this.#subscribe(),
      onMessage: (bytes: Uint8Array) => this.#onMessage(bytes),
      onClose: (status: StatusObject, retryMs: number) => this.#onClose(status, retryMs),
    };
    this.#upstream = new Upstream(options.upstream, events, options.kind.path);
  }

  /** Connects, and connects again whenever that ends. */
  start(): void {
    this.#upstream.open();
  }

  /** Ends the stream; what is in force stays. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#stream++;
    this.#upstream.close();
    await this.#applying;
  }

  state(): SubscriberState {
    return { peer: this.#peer, isSynced: this.#unanswered.size === 0, lastError: this.#lastError };
  }

  #subscribe(): void {
    this.#stream++;
    this.#peer = undefined;
    const node = { id: this.#options.nodeId, role: 'client' } as const;
    for (const [typeUrl, held] of this.#held) this.#upstream.send(encodeFirst(node, typeUrl, [WILDCARD], Object.fromEntries(held)));
  }

  #onMessage(bytes: Uint8Array): void {
    const stream = this.#stream;
    let delta: Delta;
    try {
      delta = decodeDelta(bytes);
    } catch (error) {
      this.#upstream.fail(`what was sent is no response: ${String(error)}`);
      return;
    }
    this.#connected();
    this.#applying = this.#applying.then(() => this.#take(delta, stream));
  }

  async #take(delta: Delta, stream: number): Promise<void> {
    if (stream !== this.#stream) return;
    const { typeUrl, nonce, resources, removed } = delta;
    const refusals = await this.#apply({ upserts: resources, removals: removed.map((name) => ({ typeUrl, name })) });
    const held = this.#held.get(typeUrl);
    for (const { name, version } of resources) if (!refusals.has(name)) held?.set(name, version);
    for (const name of removed) if (!refusals.has(name)) held?.delete(name);
    for (const [name, message] of refusals) this.#tellRefused(typeUrl, name, message);
    // Where everything was refused, nothing is known of it, and nobody may take that for all that there is.
    if (refusals.size === 0 || (held && held.size > 0)) this.#noteSynced(typeUrl);
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
    if (this.#peer) return;
    const peer = this.#upstream.peer ?? '';
    this.#peer = { address: peer, since: new Date() };
    this.#options.onEvent?.({ kind: 'connected', peer });
  }

  #onClose({ code, details }: StatusObject, retryMs: number): void {
    const isNews = this.#peer !== undefined || this.#lastError?.message !== details;
    this.#stream++;
    this.#peer = undefined;
    this.#lastError = { message: details, at: new Date() };
    if (isNews) this.#options.onEvent?.({ kind: 'disconnected', code, message: details, retryMs });
  }

  #noteSynced(typeUrl: string): void {
    if (this.#unanswered.delete(typeUrl) && this.#unanswered.size === 0) this.#options.onSynced?.();
  }

  #tellRefused(typeUrl: string, name: string, message: string): void {
    this.#options.onEvent?.({ kind: 'refused', typeUrl, name, message });
  }
}
