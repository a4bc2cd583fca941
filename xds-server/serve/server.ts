import type { status } from '@grpc/grpc-js';
import type { PublishedChange, SnapshotCache } from './cache.ts';
import { type ClientStatus, describeClient } from './client-status.ts';
import { type Call, ClientStream, type ClientStreamHost } from './client-stream.ts';
import { MONOTONIC_CLOCK } from './clock.ts';
import { XdsError } from './error.ts';
import { LastGood } from './last-good.ts';
import type { ListenAddress } from './listen.ts';
import { NodeMemories } from './node-memory.ts';
import type { Outcome } from './outcome.ts';
import type { Resource, ResourceName } from './resource.ts';
import { RpcServer, type RpcServerOptions, type StreamHandler } from './rpc-server.ts';
import { STREAM_METHODS, type StreamMethod } from './services.ts';
import { Session, type SessionOptions } from './session.ts';
import { type Interest, interestOf, type Standing, standingOf, unknownTo } from './standing.ts';
import { type SyncedCondition, SyncedWaiters } from './synced.ts';
import type { View, Views } from './view.ts';

export interface XdsServerOptions extends RpcServerOptions {
  readonly cache: SnapshotCache;
  /** What each node may see of the cache; default: everything. To be relied upon only where `listen` was told who is who. */
  readonly views?: Views;
  /** What it serves by. Default: {@link STREAM_METHODS}. */
  readonly methods?: readonly StreamMethod[];
  /** Where others serve too; it is then they who listen and close. Default: a server of its own. */
  readonly rpc?: RpcServer;
  /** Told what each client made of each resource; the resource is undefined for a removal. */
  readonly onOutcome?: (outcome: Outcome, resource: Resource | undefined) => void;
  /** Told when a client asks for more or less than before, comes or goes: `interest()` may have changed. */
  readonly onInterest?: () => void;
  /** Told when a client has answered all that it is to have as of a revision. */
  readonly onSynced?: (nodeId: string, revision: number) => void;
  /** Told when a node is not connected any more. */
  readonly onLeft?: (nodeId: string) => void;
  /** How long clusters and secrets outlive what used them, in milliseconds, now or at any time. Default 2000. */
  readonly drainMs?: number | (() => number);
  /**
   * Whether something that is no resource has to happen before one may be sent. When that changes, {@link XdsServer.review} is to be called.
   * Default: never.
   */
  readonly isHeld?: (resource: Resource) => boolean;
  /** How long a client may take to ask for what a resource requires before others go ahead, in milliseconds. Default 1000. */
  readonly settleMs?: number;
  /** Resources in one response, except where the protocol wants all in one. Default 500. */
  readonly maxBatchResources?: number;
  /** Bytes after which no more resources are added to a response. Default 1 MiB. */
  readonly maxBatchBytes?: number;
  /** Names that one stream may ask for. Default 100 000. */
  readonly maxSubscriptions?: number;
}

interface Audience {
  readonly sessions: Set<Session>;
  readonly unwatch: () => void;
}

/** Clients that are looked at in one go after a change; then the event loop gets its turn. */
const CLIENTS_A_TURN = 64;

/**
 * Serves a cache to xDS clients: the aggregated service and one for each type, delta and state of the world. Listens on
 * nothing until `listen` is called.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
 */
export class XdsServer implements StreamHandler {
  readonly #options: XdsServerOptions;
  readonly #sessionOptions: SessionOptions;
  readonly #rpc: RpcServer;
  readonly #sessions = new Map<ClientStream, Session>();
  readonly #streams = new Set<ClientStream>();
  readonly #memories = new NodeMemories();
  readonly #lastGood = new LastGood();
  readonly #waiters = new SyncedWaiters();
  readonly #cleanUp = new DisposableStack();
  /** Those that sessions have, and their sessions. */
  readonly #audiences = new Map<View, Audience>();
  readonly #host: ClientStreamHost;
  readonly #toPump = new Set<Session>();

  constructor(options: XdsServerOptions) {
    this.#options = options;
    const { drainMs = 2_000 } = options;
    this.#sessionOptions = {
      drainMs: typeof drainMs === 'number' ? () => drainMs : drainMs,
      settleMs: options.settleMs ?? 1_000,
      isHeld: options.isHeld ?? (() => false),
      limits: { resources: options.maxBatchResources ?? 500, bytes: options.maxBatchBytes ?? 1024 * 1024 },
    };
    this.#host = {
      maxSubscriptions: options.maxSubscriptions ?? 100_000,
      connect: (nodeId) => this.#memories.connect(nodeId),
      open: (context, stream) => this.#open(context, stream),
      closed: (session, stream) => this.#closed(session, stream),
    };
    this.#rpc = options.rpc ?? new RpcServer(options);
    this.#rpc.add(options.methods ?? STREAM_METHODS, this);
    this.#cleanUp.defer(options.cache.watch((change) => this.#lastGood.forget(change, options.cache)));
    if (options.views) this.#cleanUp.defer(options.views.watch((nodes) => this.#onViews(nodes && new Set(nodes))));
  }

  /**
   * Listens on one more address.
   * @returns the port, for a TCP address
   * @throws XdsError `address-in-use` or `listen-failed`
   */
  async listen(address: ListenAddress): Promise<number | undefined> {
    return await this.#rpc.listen(address);
  }

  /** The streams that are open and have named their node. */
  clients(): ClientStatus[] {
    return [...this.#sessions].map(([stream, session]) => describeClient(stream, session));
  }

  /** The nodes that are to answer what is published: whose clients have asked for something, but for such as stand by. */
  listening(): ReadonlySet<string> {
    const listening = [...this.#sessions.values()].filter(({ role, types }) => role !== 'standby' && types.size > 0);
    return new Set(listening.map(({ node }) => node.id));
  }

  /** What all clients ask for together, by type URL. */
  interest(): ReadonlyMap<string, Interest> {
    return interestOf(this.#sessions.values());
  }

  /** Sends what may be sent now because it is not held any longer. */
  review(): void {
    for (const session of this.#sessions.values()) this.#pumpSoon(session);
  }

  /** How the clients stand to a version of a resource, or to its removal (undefined). */
  standing(name: ResourceName, version: string | undefined): Standing {
    return standingOf(this.#sessions.values(), name, version);
  }

  /** What clients say they have of types that are asked for as a whole, and a partial cache does not know. */
  unknown(): readonly ResourceName[] {
    return unknownTo(this.#sessions.values());
  }

  /** Whether there are clients, and all have answered all that they are to have. */
  get isSynced(): boolean {
    return this.#sessions.size > 0 && this.#sessions.values().every((session) => session.isSynced);
  }

  /**
   * Resolves once a client has answered all that it is to have.
   * @throws XdsError `closed`, or the signal's reason
   */
  async waitSynced(nodeId: string, condition: SyncedCondition = {}): Promise<void> {
    await this.#waiters.wait(() => this.#isSynced(nodeId, condition), condition.signal);
  }

  /** Ends all streams, so that clients look for another server, and cuts off after `graceMs` who does not let go. */
  close(graceMs?: number): Promise<void> {
    return this.#rpc.close(graceMs);
  }

  serve(call: Call, method: StreamMethod, identity: string | undefined): void {
    this.#streams.add(new ClientStream(call, method, this.#host, identity));
  }

  endStreams(code: status, details: string): void {
    this.#cleanUp.dispose();
    for (const { unwatch } of this.#audiences.values()) unwatch();
    this.#waiters.fail(new XdsError('closed', 'the server was closed'));
    for (const stream of this.#streams) stream.end(code, details);
  }

  #open(context: Parameters<ClientStreamHost['open']>[0], stream: ClientStream): Session {
    const session = new Session({
      ...context,
      view: this.#viewOf(context.node.id),
      lastGood: this.#lastGood,
      clock: MONOTONIC_CLOCK,
      options: this.#sessionOptions,
      onOutcome: (outcome, resource) => this.#options.onOutcome?.(outcome, resource),
      onInterest: () => this.#options.onInterest?.(),
      onSynced: (revision, isNew) => {
        if (isNew) this.#options.onSynced?.(context.node.id, revision);
        this.#waiters.check();
      },
    });
    this.#sessions.set(stream, session);
    this.#join(session);
    return session;
  }

  #closed(session: Session | undefined, stream: ClientStream): void {
    this.#streams.delete(stream);
    this.#rpc.release(stream.identity);
    if (!session) return;
    this.#sessions.delete(stream);
    this.#part(session);
    this.#toPump.delete(session);
    this.#memories.disconnect(session.node);
    this.#options.onInterest?.();
    const { id } = session.node;
    if (!this.#sessions.values().some(({ node }) => node.id === id)) this.#options.onLeft?.(id);
  }

  #viewOf(nodeId: string): View {
    return this.#options.views?.of(nodeId) ?? this.#options.cache;
  }

  #join(session: Session): void {
    const { view } = session;
    const known = this.#audiences.get(view);
    if (known) {
      known.sessions.add(session);
      return;
    }
    const sessions = new Set([session]);
    this.#audiences.set(view, { sessions, unwatch: view.watch((change) => this.#onChange(sessions, change)) });
  }

  #part(session: Session): void {
    const audience = this.#audiences.get(session.view);
    if (!audience?.sessions.delete(session) || audience.sessions.size > 0) return;
    audience.unwatch();
    this.#audiences.delete(session.view);
    this.#options.views?.release?.(session.view);
  }

  #onChange(sessions: Iterable<Session>, change: PublishedChange): void {
    for (const session of sessions) {
      session.note(change);
      this.#pumpSoon(session);
    }
  }

  /** @param nodes which may see something else than before; undefined for any */
  #onViews(nodes: ReadonlySet<string> | undefined): void {
    let isAny = false;
    for (const session of this.#sessions.values()) {
      const { id } = session.node;
      const view = nodes === undefined || nodes.has(id) ? this.#viewOf(id) : session.view;
      if (view === session.view) continue;
      this.#part(session);
      session.see(view);
      this.#join(session);
      this.#pumpSoon(session);
      isAny = true;
    }
    if (isAny) this.#options.onInterest?.();
  }

  #pumpSoon(session: Session): void {
    if (this.#toPump.size === 0) setImmediate(() => this.#pumpSome());
    this.#toPump.add(session);
  }

  #pumpSome(): void {
    let left = CLIENTS_A_TURN;
    for (const session of this.#toPump) {
      if (left-- === 0) break;
      this.#toPump.delete(session);
      session.pump();
    }
    if (this.#toPump.size > 0) setImmediate(() => this.#pumpSome());
  }

  #isSynced(nodeId: string, { revision = 0, types = [] }: SyncedCondition): boolean {
    const sessions = [...this.#sessions.values()].filter(({ node }) => node.id === nodeId);
    // Without types, what is newer than the revision need not be answered.
    const isEnough = revision > 0 && types.length === 0;
    const isSynced = (session: Session) => session.syncedRevision >= revision && (isEnough || session.isSynced);
    return sessions.length > 0 && sessions.every(isSynced) && types.every((type) => sessions.some((session) => session.wants(type)));
  }
}
