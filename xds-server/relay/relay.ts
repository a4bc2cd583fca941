import type { StatusObject } from '@grpc/grpc-js';
import {
  type Holdings,
  type Interest,
  type ListenAddress,
  type Outcome,
  type RefusedVersion,
  type Resource,
  type ResourceChange,
  type ResourceName,
  type Role,
  SnapshotCache,
  type TypeStatus,
  XdsServer,
  type XdsServerOptions,
} from '../serve/index.ts';
import { type ClientKind, ENVOY } from './client-kind.ts';
import type { RelayEvent } from './event.ts';
import { LocalForms } from './local-forms.ts';
import { PendingResponse, type Verdict } from './pending.ts';
import { Presence } from './presence.ts';
import type { RelayState } from './state.ts';
import type { RelayStore } from './store.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';
import { covers, differenceOf, WILDCARD, wantedOf } from './wanted.ts';
import { type Delta, decodeDelta, encodeAnswer, encodeFirst, encodeSubscription } from './wire.ts';

export interface RelayOptions {
  readonly upstream: UpstreamAddress;
  /** Default: {@link ENVOY}. */
  readonly client?: ClientKind;
  /** What the controller is told; it need not believe it. */
  readonly nodeId: string;
  /** What it holds is served at once. The relay does not close it. */
  readonly store: RelayStore;
  readonly onEvent?: (event: RelayEvent) => void;
  /** What a controller's resource is on this node, of the same type and name; see {@link Relay.reviewForms}. Default: itself. */
  readonly localForm?: (sent: Resource) => Resource;
  /** How the client is served, and who else is told what it made of each resource. */
  readonly serve?: Omit<XdsServerOptions, 'cache' | 'drainMs' | 'onInterest'>;
  /** How long responses wait for a client that is away, in milliseconds. Default 5000: Envoy restarts in less. */
  readonly holdMs?: number;
  /** How long a client that came may take to ask for all that it needs, in milliseconds. Default 15 000. */
  readonly graceMs?: number;
  /** How long clusters outlive what used them while the order is not the controller's, in milliseconds. Default 2000. */
  readonly drainMs?: number;
}

/** A version that no resource has: the controller is to send the resource or its removal. */
const NO_VERSION = '?';
const TICK_MS = 250;

/**
 * Takes resources from controllers and serves them to the Envoy of this node, from memory and, after a start, from the store.
 * The controller is answered when Envoy has answered, name by name. See docs/decisions/relay.md.
 */
export class Relay {
  readonly cache = new SnapshotCache({ partial: true });
  readonly server: XdsServer;
  readonly #options: RelayOptions;
  readonly #client: ClientKind;
  readonly #forms: LocalForms;
  readonly #upstream: Upstream;
  readonly #presence: Presence;
  readonly #holdMs: number;
  readonly #pending = new Map<string, PendingResponse>();
  /** What the open stream was asked for, by type URL. */
  readonly #subscribed = new Map<string, Interest>();
  /** What the client refused, by type URL and name, so that each is told of once. */
  readonly #refused = new Map<string, { readonly version: string; readonly message: string }>();
  /** Names that a controller was asked about because the client had them. */
  readonly #inquired = new Set<string>();
  #role: Exclude<Role, 'client'> = 'standby';
  #controller: RelayState['controller'];
  #lastResponse: Date | undefined;
  #lastError: RelayState['lastError'];
  #review: NodeJS.Immediate | undefined;
  #tick: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** What is wanted may have changed. To find out costs a look at every name, so it is not done with every answer. */
  #isStale = true;

  constructor(options: RelayOptions) {
    const { holdMs = 5_000, graceMs = 15_000, drainMs = 2_000, serve, client = ENVOY } = options;
    this.#options = options;
    this.#client = client;
    this.#forms = new LocalForms(options.localForm ?? ((sent) => sent));
    this.#holdMs = holdMs;
    this.#presence = new Presence({ holdMs, graceMs, last: client.last });
    this.server = new XdsServer({
      ...serve,
      methods: client.methods,
      cache: this.cache,
      // The controller waits for the client's answers, and has let clusters drain before it has them removed.
      drainMs: () => (this.#role === 'standby' ? drainMs : 0),
      onOutcome: (outcome, resource) => this.#onOutcome(outcome, resource),
      onInterest: () => {
        this.#isStale = true;
        this.#reviewSoon();
      },
      onSynced: (nodeId, revision) => {
        this.#reviewSoon();
        serve?.onSynced?.(nodeId, revision);
      },
    });
    const events = {
      onOpen: () => this.#subscribeAll(),
      onMessage: (bytes: Uint8Array) => this.#onMessage(bytes),
      onClose: (status: StatusObject, retryMs: number) => this.#onDisconnected(status, retryMs),
    };
    this.#upstream = new Upstream(options.upstream, events, client.path);
    const stored = Array.from(options.store.resources(), (sent) => this.#forms.of(sent));
    if (stored.length === 0) return;
    this.cache.apply({ upserts: stored, removals: [] });
    // An Envoy that starts would wait 15 s for types of which nothing is stored because there is nothing of them.
    for (const typeUrl of client.whole) this.cache.learn(typeUrl);
  }

  /**
   * Serves what is stored on an address, and then connects.
   * @throws XdsError as `XdsServer.listen`
   */
  async start(address: ListenAddress): Promise<void> {
    await this.server.listen(address);
    this.#upstream.open();
  }

  /**
   * Serves what is made on the node. Before the first call the client is not told that there is nothing of types of which everything is.
   */
  setOwn(change: ResourceChange): void {
    this.cache.apply(change);
    for (const typeUrl of this.#client.whole) if (this.#client.isOwn({ typeUrl, name: WILDCARD })) this.cache.learn(typeUrl);
  }

  /** To be called when resources may have become others on this node. */
  reviewForms(): void {
    const served = [...this.cache.typeUrls()].flatMap((typeUrl) =>
      Array.from(this.cache.ofType(typeUrl).values(), ({ resource }) => resource),
    );
    const upserts = this.#forms.changed(served);
    if (upserts.length > 0) this.cache.apply({ upserts, removals: [] });
  }

  /** In the client's words, why it does not have a resource as a controller sent it last; undefined where it has, or where that is not known. */
  refusalOf({ typeUrl, name }: ResourceName): string | undefined {
    return this.#refused.get(`${typeUrl}\0${name}`)?.message;
  }

  /**
   * What the client has, by its own account, and what it refused: of what controllers sent last, or it was served from before.
   * @param isAsked which names are of interest
   * @returns by type URL, for these types
   */
  holdings(typeUrls: readonly string[], isAsked: (name: string) => boolean): ReadonlyMap<string, Holdings> {
    const types = Map.groupBy(
      this.server.clients().flatMap((client) => client.types),
      ({ typeUrl }) => typeUrl,
    );
    return new Map(typeUrls.map((typeUrl) => [typeUrl, this.#holdingsOf(typeUrl, types.get(typeUrl) ?? [], isAsked)]));
  }

  #holdingsOf(typeUrl: string, types: readonly TypeStatus[], isAsked: (name: string) => boolean): Holdings {
    const accepted = new Map<string, string>();
    const refused = new Map<string, RefusedVersion>();
    for (const { versions, rejected } of types) {
      for (const [name, version] of versions()) if (isAsked(name)) accepted.set(name, version);
      for (const { name, ...refusal } of rejected) if (isAsked(name)) refused.set(name, refusal);
    }
    const ofType = `${typeUrl}\0`;
    for (const [key, refusal] of this.#refused) {
      const name = key.slice(ofType.length);
      if (key.startsWith(ofType) && isAsked(name)) refused.set(name, refusal);
    }
    return { accepted, refused };
  }

  /** Ends all streams. The client keeps what it has. */
  async close(graceMs?: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#tick);
    clearImmediate(this.#review);
    this.#upstream.close();
    await this.server.close(graceMs);
  }

  state(): RelayState {
    return {
      controller: this.#controller,
      standby: this.#role === 'standby',
      client: this.#presence.isHere,
      lastResponse: this.#lastResponse,
      pending: [...this.#pending.values()].map(({ typeUrl, open, since }) => ({ typeUrl, names: [...open], since })),
      cached: new Map([...this.cache.typeUrls()].map((typeUrl) => [typeUrl, this.cache.ofType(typeUrl).size])),
      storeFailing: this.#options.store.isFailing,
      lastError: this.#lastError,
    };
  }

  #reviewSoon(): void {
    if (!this.#isClosed) this.#review ??= setImmediate(() => this.#reviewNow());
  }

  /** Looks at everything that may have changed: who is there, what it wants, what it answered. */
  #reviewNow(): void {
    this.#review = undefined;
    if (this.#presence.settle(this.server.isSynced)) this.#isStale = true;
    if (this.#isStale) this.#reviewInterest();
    for (const pending of this.#pending.values()) this.#judge(pending);
    this.#updateRole();
    clearTimeout(this.#tick);
    if (!this.#presence.isSettled || this.#pending.size > 0 || this.#role === 'standby') {
      this.#tick = setTimeout(() => this.#reviewSoon(), Math.min(TICK_MS, this.#holdMs)).unref();
    }
  }

  #reviewInterest(): void {
    this.#isStale = false;
    const hasCome = this.#presence.update(this.server.interest());
    // Another process may accept what the one before it refused.
    if (hasCome && this.#refused.size > 0) this.#reopen(this.#role);
    else if (this.#hasUnknown()) this.#reopen(this.#role);
    else this.#updateSubscriptions();
  }

  /** Whether the client says it has what nobody has asked a controller about. */
  #hasUnknown(): boolean {
    let found = false;
    for (const { typeUrl, name } of this.#unknown()) {
      const key = `${typeUrl}\0${name}`;
      found ||= !this.#inquired.has(key);
      this.#inquired.add(key);
    }
    return found;
  }

  #unknown(): ResourceName[] {
    return this.server.unknown().filter((name) => !this.#client.isOwn(name));
  }

  #updateRole(): void {
    if (this.#role === 'relay' && this.#presence.isGone) this.#reopen('standby');
    if (this.#role !== 'standby' || !this.#controller || this.#pending.size > 0 || !this.server.isSynced) return;
    // What was removed while the client was away, it never had.
    for (const resource of [...this.#options.store.resources()]) if (!this.cache.get(resource)) this.#options.store.delete(resource);
    this.#reopen('relay');
  }

  #reopen(role: Exclude<Role, 'client'>): void {
    this.#role = role;
    this.#refused.clear();
    this.#upstream.open();
  }

  #wanted(): Map<string, Interest> {
    const { isHere, isSettled, interest } = this.#presence;
    // With no controller to ask again, nothing is given up.
    const keeping = isSettled && this.#role === 'relay' && this.#controller ? 'nothing' : 'cached';
    return wantedOf(this.#client, this.cache, interest, isHere ? keeping : 'required');
  }

  #subscribeAll(): void {
    this.#pending.clear();
    this.#controller = undefined;
    this.#subscribed.clear();
    for (const [typeUrl, interest] of this.#wanted()) this.#subscribe(typeUrl, interest);
  }

  #subscribe(typeUrl: string, interest: Interest): void {
    const { subscribe } = differenceOf(undefined, interest);
    if (subscribe.length === 0) return;
    this.#subscribed.set(typeUrl, interest);
    const node = { id: this.#options.nodeId, role: this.#role };
    this.#upstream.send(encodeFirst(node, typeUrl, subscribe, this.#claims(typeUrl, interest)));
  }

  /** What the controller need not send again. */
  #claims(typeUrl: string, interest: Interest): Record<string, string> {
    const claims: Record<string, string> = {};
    const isClaimed = (name: string) => covers(interest, name) && !this.#client.isOwn({ typeUrl, name });
    for (const [name, { resource }] of this.cache.ofType(typeUrl)) if (isClaimed(name)) claims[name] = this.#claimOf(resource);
    for (const unknown of this.#unknown()) if (unknown.typeUrl === typeUrl) claims[unknown.name] = NO_VERSION;
    return claims;
  }

  #claimOf(resource: Resource): string {
    const { version } = this.#forms.sentAs(resource);
    if (this.#role === 'standby') return version;
    const { kind } = this.server.standing(resource, resource.version);
    // Of what nobody asks for at the moment, what was accepted before counts.
    const isGood = kind === 'accepted' || (kind === 'unwanted' && this.#options.store.get(resource)?.version === version);
    return isGood ? version : NO_VERSION;
  }

  #updateSubscriptions(): void {
    const wanted = this.#wanted();
    for (const typeUrl of new Set([...wanted.keys(), ...this.#subscribed.keys()])) {
      const before = this.#subscribed.get(typeUrl);
      const after = wanted.get(typeUrl);
      if (!before) {
        if (after) this.#subscribe(typeUrl, after);
        continue;
      }
      const { subscribe, unsubscribe } = differenceOf(before, after);
      if (subscribe.length + unsubscribe.length === 0) continue;
      this.#subscribed.set(typeUrl, after ?? { wildcard: false, names: new Set() });
      this.#upstream.send(encodeSubscription(typeUrl, subscribe, unsubscribe));
      this.#drop(typeUrl, unsubscribe, after);
    }
  }

  #drop(typeUrl: string, unsubscribed: readonly string[], after: Interest | undefined): void {
    const names = unsubscribed.includes(WILDCARD) ? [...this.cache.ofType(typeUrl).keys()] : unsubscribed;
    const dropped = names.filter((name) => !(after && covers(after, name)) && !this.#client.isOwn({ typeUrl, name }));
    this.cache.forget(typeUrl, dropped);
    for (const name of dropped) this.#options.store.delete({ typeUrl, name });
  }

  #onMessage(bytes: Uint8Array): void {
    const delta = this.#decode(bytes);
    if (!delta) return;
    this.#lastResponse = new Date();
    if (!this.#controller) this.#connected();
    // With nobody to ask, what is new may require more.
    if (!this.#presence.isHere) this.#isStale = true;
    const interest = this.#subscribed.get(delta.typeUrl);
    // What crossed an unsubscription is not wanted any more.
    const { typeUrl } = delta;
    const isWanted = (name: string) => interest !== undefined && covers(interest, name) && !this.#client.isOwn({ typeUrl, name });
    const sent = [...new Map(delta.resources.map((each) => [each.name, each])).values()].filter(({ name }) => isWanted(name));
    const resources = sent.map((each) => this.#forms.of(each));
    const set = new Set(resources.map(({ name }) => name));
    const removed = [...new Set(delta.removed)].filter((name) => isWanted(name) && !set.has(name));
    this.cache.apply({ upserts: resources, removals: removed.map((name) => ({ typeUrl: delta.typeUrl, name })) });
    for (const form of resources) this.#forms.keep(form, this.cache.get(form));
    this.cache.learn(delta.typeUrl);
    this.#pending.set(delta.typeUrl, new PendingResponse({ ...delta, resources, removed }));
    this.#reviewSoon();
  }

  #decode(bytes: Uint8Array): Delta | undefined {
    try {
      return decodeDelta(bytes);
    } catch (error) {
      this.#upstream.fail(`the controller sent what is no response: ${String(error)}`);
      return undefined;
    }
  }

  #connected(): void {
    const peer = this.#upstream.peer ?? '';
    this.#controller = { peer, since: new Date() };
    this.#isStale = true;
    this.#options.onEvent?.({ kind: 'connected', peer, standby: this.#role === 'standby' });
  }

  #onDisconnected({ code, details }: StatusObject, retryMs: number): void {
    this.#controller = undefined;
    this.#pending.clear();
    this.#lastError = { message: details, at: new Date() };
    this.#options.onEvent?.({ kind: 'disconnected', code, message: details, retryMs });
  }

  #onOutcome(outcome: Outcome, resource: Resource | undefined): void {
    if (outcome.outcome !== 'nack' && !this.#client.isOwn(outcome)) {
      // What was dropped or removed in the meantime is not to be found after a restart.
      if (!this.cache.get(outcome)) this.#options.store.delete(outcome);
      else if (resource) this.#options.store.put(this.#forms.sentAs(resource));
    }
    this.#options.serve?.onOutcome?.(outcome, resource);
    this.#reviewSoon();
  }

  #judge(pending: PendingResponse): void {
    if (!pending.judge((name, version) => this.#verdictOn(pending, name, version))) return;
    const { typeUrl, nonce, refusals } = pending;
    this.#pending.delete(typeUrl);
    this.#upstream.send(encodeAnswer(typeUrl, nonce, refusals));
    this.#revert(pending);
    for (const [name, version] of pending.entries) {
      if (!refusals.has(name)) this.#refused.delete(`${typeUrl}\0${name}`);
      if (version === undefined) this.#removed(typeUrl, name);
      else if (!refusals.has(name)) this.#storeSent({ typeUrl, name }, version);
    }
  }

  /** What makes no difference to the client it is not sent, and does not answer. */
  #storeSent(name: ResourceName, version: string): void {
    const form = this.cache.get(name);
    const stored = this.#options.store.get(name);
    if (form?.version !== version || !stored || this.server.standing(name, version).kind !== 'accepted') return;
    const sent = this.#forms.sentAs(form);
    if (stored.version !== sent.version) this.#options.store.put(sent);
  }

  #verdictOn({ typeUrl, ageMs }: PendingResponse, name: string, version: string | undefined): Verdict {
    if (!this.#presence.isHere) return this.#role === 'standby' ? 'accepted' : 'open';
    // The client dropped the name in the meantime. If it asked for it again since, that is another response.
    const isOver = version === undefined ? this.cache.isUnknown(typeUrl, name) : this.cache.get({ typeUrl, name })?.version !== version;
    if (isOver) return 'accepted';
    const standing = this.server.standing({ typeUrl, name }, version);
    switch (standing.kind) {
      case 'accepted':
        return 'accepted';
      case 'pending':
        return 'open';
      case 'refused':
        return { refusal: standing.message };
      case 'unwanted':
        return this.#presence.isSettled || ageMs >= this.#holdMs ? 'accepted' : 'open';
    }
  }

  /** What the client refused gives way to what it accepted last, as the controller takes it to. */
  #revert({ typeUrl, entries, refusals }: PendingResponse): void {
    const { store, onEvent } = this.#options;
    const upserts: Resource[] = [];
    const removals: { readonly typeUrl: string; readonly name: string }[] = [];
    for (const [name, message] of refusals) {
      const version = entries.get(name);
      if (version === undefined) continue;
      const stored = store.get({ typeUrl, name });
      const good = stored && this.#forms.of(stored);
      if (good && good.version !== version) upserts.push(good);
      else {
        removals.push({ typeUrl, name });
        store.delete({ typeUrl, name });
      }
      const key = `${typeUrl}\0${name}`;
      if (this.#refused.get(key)?.version !== version) onEvent?.({ kind: 'refused', typeUrl, name, message });
      this.#refused.set(key, { version, message });
    }
    if (upserts.length + removals.length > 0) this.cache.apply({ upserts, removals });
  }

  /** That it does not exist is worth knowing only while somebody asks for it by name. */
  #removed(typeUrl: string, name: string): void {
    if (this.#presence.isHere) this.#options.store.delete({ typeUrl, name });
    if (!this.#presence.interest.get(typeUrl)?.names.has(name) && !this.cache.get({ typeUrl, name })) this.cache.forget(typeUrl, [name]);
  }
}
