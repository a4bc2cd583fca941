import type { Clock } from '../../xds-server/serve/clock.ts';
import { NodeViews, type SnapshotCache } from '../../xds-server/serve/index.ts';
import { LastGood } from '../../xds-server/serve/last-good.ts';
import { forgetProcess, NodeMemories } from '../../xds-server/serve/node-memory.ts';
import type { Outcome } from '../../xds-server/serve/outcome.ts';
import { DELTA_PROTOCOL, SOTW_PROTOCOL } from '../../xds-server/serve/protocol.ts';
import { Session } from '../../xds-server/serve/session.ts';
import type { ModelClient } from './model-client.ts';

/** Time that passes when it is told to. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get hasTimers(): boolean {
    return this.#timers.size > 0;
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  }
}

/** What all connections of a server share, without the network. */
export class ModelWorld {
  readonly cache: SnapshotCache;
  /** Of which node sees what; everything at first. */
  readonly views: NodeViews;
  readonly clock = new ManualClock();
  readonly outcomes: Outcome[] = [];
  readonly lastGood = new LastGood();
  readonly memories = new NodeMemories();
  readonly #connections = new Set<ModelConnection>();

  readonly drainMs: number;

  constructor(cache: SnapshotCache, drainMs: number) {
    this.cache = cache;
    this.drainMs = drainMs;
    this.views = new NodeViews(cache, 'everything');
    cache.watch((change) => this.lastGood.forget(change, cache));
    this.views.watch(() => {
      for (const connection of this.#connections) connection.look();
    });
  }

  connect(client: ModelClient, events: ModelEvents = {}): ModelConnection {
    const connection = new ModelConnection(this, client, events, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }
}

export interface ModelEvents {
  readonly onSent?: (response: Uint8Array) => void;
  /** Told the revision up to which the session says that the client has answered everything. */
  readonly onSynced?: (revision: number) => void;
}

/** One stream between a model client and a session, on which each message moves when it is told to. */
export class ModelConnection {
  readonly #world: ModelWorld;
  readonly #client: ModelClient;
  readonly #events: ModelEvents;
  readonly #onClosed: () => void;
  readonly #toServer: Uint8Array[] = [];
  readonly #toClient: Uint8Array[] = [];
  #written: (() => void) | undefined;
  #unwatch = () => {};
  #isClosed = false;
  session: Session | undefined;

  constructor(world: ModelWorld, client: ModelClient, events: ModelEvents, onClosed: () => void) {
    this.#world = world;
    this.#client = client;
    this.#events = events;
    this.#onClosed = onClosed;
    client.connect((request) => this.#toServer.push(request));
  }

  /** Responses that are on their way. */
  get unread(): readonly Uint8Array[] {
    return this.#toClient;
  }

  /** Moves one thing of one kind. @returns whether there was one */
  step(kind: 'request' | 'response' | 'write' | 'pump'): boolean {
    switch (kind) {
      case 'request':
        return this.#moveRequest();
      case 'response': {
        const response = this.#toClient.shift();
        if (response) this.#client.receive(response);
        return response !== undefined;
      }
      case 'write': {
        const written = this.#written;
        this.#written = undefined;
        written?.();
        return written !== undefined;
      }
      case 'pump':
        this.session?.pump();
        return false;
    }
  }

  /** Sees what its node may see by now. */
  look(): void {
    const { session } = this;
    if (!session) return;
    const view = this.#world.views.of(session.node.id);
    this.#unwatch();
    session.see(view);
    this.#unwatch = view.watch((change) => session.note(change));
  }

  /** The stream breaks; what is on its way is lost. */
  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.#onClosed();
    this.session?.close();
    if (this.session) this.#world.memories.disconnect(this.session.node);
  }

  #moveRequest(): boolean {
    const bytes = this.#toServer.shift();
    if (!bytes || this.#isClosed) return false;
    const protocol = this.#client.options.variant === 'delta' ? DELTA_PROTOCOL : SOTW_PROTOCOL;
    const request = protocol.decode(bytes);
    if (!this.session) {
      const node = this.#world.memories.connect(request.nodeId);
      if (!request.resumes) forgetProcess(node, undefined);
      const { views, lastGood, clock, outcomes, drainMs } = this.#world;
      this.session = new Session({
        view: views.of(node.id),
        node,
        lastGood,
        clock,
        dialect: protocol.dialect,
        role: request.role,
        aggregated: true,
        // Model clients ask for all that they require, so what is waited for comes.
        options: { drainMs: () => drainMs, settleMs: 1_000_000, isHeld: () => false, limits: { resources: 3, bytes: 1_000 } },
        onOutcome: (outcome) => outcomes.push(outcome),
        onInterest: () => {},
        onSynced: (revision) => this.#events.onSynced?.(revision),
        send: (response, written) => {
          this.#written = written;
          this.#toClient.push(response);
          this.#events.onSent?.(response);
        },
      });
      this.look();
    }
    request.receive(this.session, request.typeUrl);
    this.session.pump();
    return true;
  }
}
