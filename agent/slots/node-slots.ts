import { isDeepStrictEqual } from 'node:util';
import { create, toBinary } from '@bufbuild/protobuf';
import { RedirectSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import {
  CLUSTER_TYPE,
  contentVersion,
  EXTENSION_CONFIG_TYPE,
  type Holdings,
  LISTENER_TYPE,
  OWN_COPIES_PREFIX,
  OWN_LISTENER_PREFIX,
  REDIRECT_TYPE,
  type RefusedVersion,
  type Resource,
  type ResourceChange,
  type ResourceName,
  SCOPE_KEEPER,
  SLOT_TYPE,
  type SnapshotCache,
  SUBJECT_POLICY_TYPE,
  type XdsServer,
} from '../../xds-server/serve/index.ts';
import { errorOf } from '../error-of.ts';
import { decodeSlot, type NodeSlot, protocolOf } from './decode-slot.ts';
import { ListenerCopies, slotsIn } from './listener-copies.ts';
import type { ProxyPortError } from './proxy-port-error.ts';
import type { ProxyPorts } from './proxy-ports.ts';
import { listenerName, slotListener } from './slot-listener.ts';

/** Where resources of this node are served, together with those of controllers. */
export interface ServedSide {
  readonly cache: SnapshotCache;
  readonly server: XdsServer;
  /** Serves what the node makes itself. */
  setOwn(change: ResourceChange): void;
  /** Why a client does not have a resource of a controller's as it is to be. Default: what the server knows of the published version. */
  refusalOf?(name: ResourceName): string | undefined;
}

export interface NodeSlotsOptions {
  /** What Envoy is served. */
  readonly envoy: ServedSide;
  /** What the enforcer is served. */
  readonly enforcer: ServedSide;
  readonly ports: ProxyPorts;
  /** The ports of this node that are listened on. */
  readonly listening: () => ReadonlySet<number>;
  /** How long policies wait for the slots that they name, in milliseconds. Default 2000: a little more than Envoy takes to restart. */
  readonly holdMs?: number;
  /** Told of what keeps slots from working; that is tried again. */
  readonly onFailure: (error: Error) => void;
  /** Told what of slots Envoy refuses, listeners and filters, in its words by their names, whenever that has changed. */
  readonly onRefusals?: (refused: ReadonlyMap<string, string>) => void;
  /** Told {@link NodeSlots.holdings}, whenever that has changed. */
  readonly onHoldings?: (holdings: Holdings) => void;
}

/** What is known of a slot on this node. */
export interface SlotState {
  readonly name: string;
  readonly port: number;
  /** Whether Envoy has accepted its listener and listens. */
  readonly isReady: boolean;
  /** In Envoy's words, where it refused the listener. */
  readonly refusal?: string;
  /** The same of its filter. Envoy has the one before, if there was any. */
  readonly filterRefusal?: string;
}

const HOLD_MS = 2_000;
const LOOK_MS = 10;
const RETRY_MS = 250;
/** Of EADDRINUSE, in what Envoy says. */
const PORT_TAKEN = 'Address already in use';

interface OpenSlot {
  readonly port: number;
  /** Whose listener it is a copy of, if it is one. */
  readonly copyOf: string | undefined;
  requires: readonly ResourceName[];
  /** What of that has to be in place before anything is led there. */
  awaits: readonly ResourceName[];
  listener: Resource;
  isReady: boolean;
  /** Whether Envoy has yet to say what it makes of the listener. */
  isPending: boolean;
  refusal: string | undefined;
  /** As the enforcer was told last. */
  redirect?: { readonly isReady: boolean; readonly resource: Resource };
}

/**
 * Gives each slot that the policies of this node name a port and a listener, and tells the enforcer once Envoy listens. In that order, and
 * the other way round where a slot is not needed any more: see docs/decisions/layer7.md.
 */
export class NodeSlots implements Disposable {
  readonly #options: NodeSlotsOptions;
  readonly #copies: ListenerCopies;
  readonly #open = new Map<string, OpenSlot>();
  /** Slots that no policy names, whose redirects the enforcer has yet to give up. */
  readonly #closing = new Set<string>();
  /** When policies began to wait for a slot. */
  readonly #waitedSince = new Map<string, number>();
  readonly #cleanUp = new DisposableStack();
  #soon: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: string | undefined;
  #refused: ReadonlyMap<string, string> = new Map();
  #held: Holdings | undefined;
  /** Whether a listener waits for its clusters to be told of. */
  #lacksClusters = false;
  /** Listeners that serve Ingresses on this node, until some change. */
  #ofIngresses: readonly Resource[] | undefined;

  constructor(options: NodeSlotsOptions) {
    this.#options = options;
    const { envoy, enforcer } = options;
    this.#copies = new ListenerCopies(enforcer.cache);
    this.#cleanUp.defer(
      envoy.cache.watch(({ names }) => {
        const mayHaveCome = this.#lacksClusters && names.some(({ typeUrl }) => typeUrl === CLUSTER_TYPE);
        const isOfServed = names.some(isOfIngresses);
        if (isOfServed) this.#ofIngresses = undefined;
        if (isOfServed || mayHaveCome) this.review();
      }),
    );
    this.#cleanUp.defer(
      enforcer.cache.watch(({ names }) => {
        if (this.#copies.note(names)) this.review();
      }),
    );
    this.#review();
  }

  /** By name. */
  state(): readonly SlotState[] {
    return [...this.#open].map(([name, slot]) => {
      const { port, isReady, refusal } = slot;
      const filterRefusal = this.#filterRefusal(slot);
      return { name, port, isReady, ...(refusal !== undefined && { refusal }), ...(filterRefusal !== undefined && { filterRefusal }) };
    });
  }

  /** How many slots lead packets to rules of a protocol at present. */
  redirects(): Readonly<Record<'http' | 'tls', number>> {
    const counts = { http: 0, tls: 0 };
    for (const [name, { isReady }] of this.#open) {
      const resource = isReady ? this.#options.enforcer.cache.get({ typeUrl: SLOT_TYPE, name }) : undefined;
      const protocol = resource && protocolOf(resource);
      if (protocol) counts[protocol]++;
    }
    return counts;
  }

  /** That of a copy's filter is the slot's that it asks the rules of. */
  #filterRefusal({ requires, copyOf }: OpenSlot): string | undefined {
    if (copyOf !== undefined) return undefined;
    const { envoy } = this.#options;
    const refusals = filtersOf(requires).map((name) => {
      if (envoy.refusalOf) return envoy.refusalOf(name);
      const standing = envoy.server.standing(name, envoy.cache.get(name)?.version);
      return standing.kind === 'refused' ? standing.message : undefined;
    });
    return refusals.find((refusal) => refusal !== undefined);
  }

  /**
   * Of slots of listeners that Services are led to, by name: which versions Envoy listens by, and which it refuses. Neither is said of one that is
   * under way. Of one that it listens by, and refuses a copy of, both are said.
   */
  holdings(): Holdings {
    const { envoy, enforcer } = this.#options;
    const accepted = new Map<string, string>();
    const refused = new Map<string, RefusedVersion>();
    const ofCopies = this.#refusedCopies();
    for (const { resource } of enforcer.cache.ofType(SLOT_TYPE).values()) {
      const slot = decodeSlot(resource);
      const open = this.#open.get(resource.name);
      if (slot?.direction !== 'service' || !open) continue;
      const { port, listener, isReady } = open;
      if (slotListener(slot, port, this.#listenersOfIngresses()).version !== listener.version) continue;
      const standing = envoy.server.standing(listener, listener.version);
      if (standing.kind === 'refused') refused.set(resource.name, { version: resource.version, message: standing.message });
      if (standing.kind !== 'accepted' || !isReady) continue;
      accepted.set(resource.name, resource.version);
      const message = ofCopies.get(resource.name);
      if (message !== undefined) refused.set(resource.name, { version: resource.version, message });
    }
    return { accepted, refused };
  }

  /** Envoy's words, by the slots of the listeners that they are copies of. */
  #refusedCopies(): ReadonlyMap<string, string> {
    const open = [...this.#open.values()];
    return new Map(open.flatMap(({ copyOf, refusal }) => (copyOf === undefined || refusal === undefined ? [] : [[copyOf, refusal]])));
  }

  /** Whether a resource that the enforcer is to be sent names a slot that does not work yet, and may still come to. */
  readonly isHeld = ({ typeUrl, requires }: Resource): boolean => {
    if (typeUrl !== SUBJECT_POLICY_TYPE) return false;
    return requires.some((required) => required.typeUrl === SLOT_TYPE && this.#isAwaited(required.name));
  };

  /** Has everything looked at again: to be called when a client answers. */
  readonly review = (): void => {
    this.#soon ??= setImmediate(() => this.#review());
  };

  /** What is in force stays. */
  [Symbol.dispose](): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#timer);
    this.#cleanUp.dispose();
  }

  #isAwaited(name: string): boolean {
    if (this.#open.get(name)?.isReady) return false;
    const since = this.#waitedSince.get(name) ?? performance.now();
    this.#waitedSince.set(name, since);
    return performance.now() - since < (this.#options.holdMs ?? HOLD_MS);
  }

  #review(): void {
    this.#soon = undefined;
    // To say that there are no redirects would have those taken away that are in force.
    if (!this.#options.enforcer.cache.isReady) return;
    const slots = this.#needed();
    const needed = new Set(slots.map(({ name }) => name));
    this.#openSlots(slots);
    this.#noteReady(needed);
    this.#closeSlots(needed);
    this.#tellRefusals();
    this.#tellHoldings();
    const { enforcer } = this.#options;
    // Also where there is none: that is known then.
    enforcer.setOwn({ upserts: this.#redirects().filter((each) => enforcer.cache.get(each)?.version !== each.version), removals: [] });
    for (const name of this.#waitedSince.keys()) if (!this.#isAwaited(name)) this.#settled(name);
    enforcer.server.review();
    clearTimeout(this.#timer);
    const delay = this.#nextLookMs(needed.size);
    if (delay !== undefined) this.#timer = setTimeout(this.review, delay).unref();
  }

  #nextLookMs(needed: number): number | undefined {
    const slots = [...this.#open.values()];
    if (this.#closing.size > 0 || [...this.#waitedSince.keys()].some((name) => this.#isAwaited(name))) return LOOK_MS;
    // What is refused may be accepted at any time: by an Envoy that starts, say.
    const isWhole =
      this.#failure === undefined && this.#refused.size === 0 && slots.every(({ isReady, isPending }) => isReady && !isPending);
    return isWhole && slots.length === needed ? undefined : RETRY_MS;
  }

  #settled(name: string): void {
    // One that is not needed any more, or works; one that waited in vain is remembered, so that nobody waits for it again.
    if (this.#open.get(name)?.isReady !== false) this.#waitedSince.delete(name);
  }

  /** Slots that controllers tell of are those that policies of this node name, and of Services. */
  #needed(): readonly NodeSlot[] {
    const slots = slotsIn(this.#options.enforcer.cache);
    return [...slots, ...this.#copies.of(slots)];
  }

  #openSlots(slots: readonly NodeSlot[]): void {
    const { envoy, ports } = this.#options;
    const { ports: allocated, failure } = ports.allocate(slots.map(({ name }) => name));
    this.#tell(failure);
    const upserts: Resource[] = [];
    this.#lacksClusters = false;
    for (const slot of slots) {
      const port = allocated.get(slot.name);
      if (port === undefined) continue;
      this.#closing.delete(slot.name);
      const listener = slotListener(slot, port, this.#listenersOfIngresses());
      const known = this.#open.get(slot.name);
      if (known?.listener.version === listener.version && envoy.cache.get(listener)) continue;
      const { copyOf, requires } = slot;
      const awaits = awaitedBy(slot);
      const isWhole = awaits.every((name) => name.typeUrl !== CLUSTER_TYPE || envoy.cache.get(name));
      if (isWhole) upserts.push(listener);
      // Routes that stand in it are refused without them, and what it has until then leads somewhere.
      else this.#lacksClusters = true;
      if (known?.port !== port) this.#open.set(slot.name, { port, copyOf, requires, awaits, listener, ...NOT_READY });
      else if (isWhole) Object.assign(known, { listener, requires, awaits });
    }
    if (upserts.length > 0) envoy.setOwn({ upserts, removals: [] });
  }

  #listenersOfIngresses(): readonly Resource[] {
    const { cache } = this.#options.envoy;
    this.#ofIngresses ??= Array.from(cache.ofType(LISTENER_TYPE).values(), ({ resource }) => resource).filter(isOfIngresses);
    return this.#ofIngresses;
  }

  /** Whoever was steered to once stays so: while Envoy is away, nothing passes. */
  #noteReady(needed: ReadonlySet<string>): void {
    const { server } = this.#options.envoy;
    let listening: ReadonlySet<number> | undefined;
    for (const [name, slot] of this.#open) {
      const { listener } = slot;
      const standing = server.standing(listener, listener.version);
      const refusal = standing.kind === 'refused' ? standing.message : undefined;
      if (refusal?.includes(PORT_TAKEN) && needed.has(name) && this.#move(name, slot.port)) continue;
      if (refusal !== undefined && refusal !== slot.refusal)
        this.#options.onFailure(new Error(`Envoy refuses the listener of ${name}, so ${consequenceOf(slot)}: ${refusal}`));
      slot.refusal = refusal;
      slot.isPending = standing.kind === 'pending';
      // What it has of it is a listener of before: routes lead on to what may be gone. Where that is refused, too, all of it will be as before.
      if (refusal !== undefined && this.#isListenerTaken(slot)) slot.isReady = false;
      if (slot.isReady || standing.kind !== 'accepted') continue;
      if (!slot.awaits.every((name) => this.#isInPlace(name))) continue;
      listening ??= this.#options.listening();
      slot.isReady = listening.has(slot.port);
    }
  }

  /** Whether Envoy has the listener that this is a copy of; it meets clients where the copy is not ready. */
  #isListenerTaken({ copyOf }: OpenSlot): boolean {
    const listener = copyOf === undefined ? undefined : this.#open.get(copyOf)?.listener;
    return listener !== undefined && this.#options.envoy.server.standing(listener, listener.version).kind === 'accepted';
  }

  #isInPlace(name: ResourceName): boolean {
    const { server, cache } = this.#options.envoy;
    const version = cache.get(name)?.version;
    const isTold = version !== undefined || name.typeUrl === EXTENSION_CONFIG_TYPE;
    return isTold && server.standing(name, version).kind === 'accepted';
  }

  #tellRefusals(): void {
    const refused = new Map(
      this.state().flatMap(({ name, refusal, filterRefusal }) => [
        ...(refusal === undefined ? [] : this.#toldNames(name).map((told) => [told, refusal] as const)),
        ...(filterRefusal === undefined ? [] : [[name, filterRefusal] as const]),
      ]),
    );
    if (isDeepStrictEqual(refused, this.#refused)) return;
    this.#refused = refused;
    this.#options.onRefusals?.(refused);
  }

  /** What is wrong with a copy is that of its listener where that is refused, too. */
  #toldNames(slot: string): readonly string[] {
    const copyOf = this.#open.get(slot)?.copyOf;
    if (copyOf === undefined) return [listenerName(slot)];
    return this.#open.get(copyOf)?.refusal === undefined ? [`${OWN_COPIES_PREFIX}${copyOf}`] : [];
  }

  #tellHoldings(): void {
    const { onHoldings } = this.#options;
    if (!onHoldings) return;
    const held = this.holdings();
    if (isDeepStrictEqual(held, this.#held)) return;
    this.#held = held;
    onHoldings(held);
  }

  /** Somebody else began to listen on the port while no Envoy did. It is left to him. */
  #move(slot: string, from: number): boolean {
    try {
      const port = this.#options.ports.move(slot);
      this.#options.onFailure(
        new Error(`somebody else listens on port ${from}, which was that of ${slot}: it has port ${port} from now on`),
      );
      this.review();
      return true;
    } catch (error) {
      this.#tell(errorOf(error));
      return false;
    }
  }

  #redirects(): Resource[] {
    return [...this.#open].filter(([name]) => !this.#closing.has(name)).map(([name, slot]) => this.#redirectOf(name, slot));
  }

  #redirectOf(name: string, slot: OpenSlot): Resource {
    if (slot.redirect?.isReady !== slot.isReady) {
      const { port, isReady } = slot;
      slot.redirect = { isReady, resource: redirectOf(name, port, isReady) };
    }
    return slot.redirect.resource;
  }

  /** First whoever steers there must not any more, then the redirect goes, then the listener. */
  #closeSlots(needed: ReadonlySet<string>): void {
    const { envoy, enforcer } = this.#options;
    const gone = [...this.#open.keys()].filter((name) => !needed.has(name));
    const removals = gone.filter((name) => !this.#closing.has(name) && enforcer.server.isSynced);
    for (const name of removals) this.#closing.add(name);
    if (removals.length > 0) enforcer.setOwn({ upserts: [], removals: removals.map((name) => ({ typeUrl: REDIRECT_TYPE, name })) });
    const closed = gone.filter((name) => this.#closing.has(name) && this.#isGivenUp(name));
    const strays = this.#strays();
    if (closed.length + strays.length === 0) return;
    const listeners = [...closed.map(listenerName), ...strays];
    envoy.setOwn({ upserts: [], removals: listeners.map((name) => ({ typeUrl: LISTENER_TYPE, name })) });
    for (const name of closed) {
      this.#open.delete(name);
      this.#closing.delete(name);
      this.#waitedSince.delete(name);
    }
    this.#release(closed);
  }

  #isGivenUp(name: string): boolean {
    const { server } = this.#options.enforcer;
    return server.standing({ typeUrl: REDIRECT_TYPE, name }, undefined).kind === 'accepted';
  }

  /** Listeners that Envoy has from before, of slots that are not needed any more. */
  #strays(): readonly string[] {
    const { server, cache } = this.#options.envoy;
    // Before everything is known of policies, nothing is known of slots.
    if (!this.#options.enforcer.server.isSynced) return [];
    const known = server.unknown().filter(({ typeUrl, name }) => typeUrl === LISTENER_TYPE && name.startsWith(OWN_LISTENER_PREFIX));
    const isOpen = (name: string) => this.#open.has(name.slice(OWN_LISTENER_PREFIX.length));
    return known.filter((name) => !cache.get(name) && !isOpen(name.name)).map(({ name }) => name);
  }

  #release(slots: readonly string[]): void {
    try {
      this.#options.ports.release(slots);
    } catch (error) {
      this.#tell(errorOf(error));
    }
  }

  #tell(failure: ProxyPortError | Error | undefined): void {
    if (failure && failure.message !== this.#failure) this.#options.onFailure(failure);
    this.#failure = failure?.message;
  }
}

const NOT_READY = { isReady: false, isPending: false, refusal: undefined } as const;

/** Controllers tell of no others but one that listens nowhere. */
function isOfIngresses({ typeUrl, name }: ResourceName): boolean {
  return typeUrl === LISTENER_TYPE && name !== SCOPE_KEEPER && !name.startsWith(OWN_LISTENER_PREFIX);
}

/** Clusters of listeners that Services are led to come by another stream than these, and until then they would answer with errors. */
function awaitedBy({ requires, direction }: NodeSlot): readonly ResourceName[] {
  const clusters = direction === 'service' ? requires.filter(({ typeUrl }) => typeUrl === CLUSTER_TYPE) : [];
  return [...filtersOf(requires), ...clusters];
}

function consequenceOf({ copyOf }: OpenSlot): string {
  return copyOf === undefined ? 'what its rules decide of is dropped' : `clients meet that of ${copyOf}, which asks them nothing`;
}

function filtersOf(requires: readonly ResourceName[]): readonly ResourceName[] {
  return requires.filter(({ typeUrl }) => typeUrl === EXTENSION_CONFIG_TYPE);
}

function redirectOf(name: string, port: number, ready: boolean): Resource {
  const body = toBinary(RedirectSchema, create(RedirectSchema, { port, ready }));
  return { typeUrl: REDIRECT_TYPE, name, version: contentVersion(body), body, requires: [] };
}
