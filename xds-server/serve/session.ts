import type { Published, PublishedChange } from './cache.ts';
import type { Clock } from './clock.ts';
import { type Dialect, resumeSotw } from './dialect.ts';
import type { LastGood } from './last-good.ts';
import { type AwaitedBy, NOBODY, type NodeMemory } from './node-memory.ts';
import { dependentsInPlace, type StreamState } from './order.ts';
import type { Outcome } from './outcome.ts';
import { type BatchLimits, type Entries, planBatch } from './plan.ts';
import type { Refusal } from './refusal.ts';
import type { Resource } from './resource.ts';
import type { Role } from './role.ts';
import { isWildcard, type Resubscription } from './subscription.ts';
import { type InFlight, TypeState } from './type-state.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, traitsOf } from './types.ts';
import { acceptEntries, refuseEntries, type VerdictContext } from './verdict.ts';
import type { View } from './view.ts';

export interface SessionOptions {
  /** How long clusters and secrets outlive what used them. */
  readonly drainMs: () => number;
  /** How long a client may take to ask for what a resource that it accepted requires. */
  readonly settleMs: number;
  readonly limits: BatchLimits;
  /** Whether something else has to happen before a resource may be sent. */
  readonly isHeld: (resource: Resource) => boolean;
}

export interface SessionContext {
  /** What the client may see when the stream begins. */
  readonly view: View;
  readonly node: NodeMemory;
  readonly lastGood: LastGood;
  readonly clock: Clock;
  readonly dialect: Dialect;
  readonly role: Role;
  /** Whether the stream carries all types, so that they can be put in order. */
  readonly aggregated: boolean;
  readonly options: SessionOptions;
  /** @param resource what the outcome is about; undefined for a removal */
  readonly onOutcome: (outcome: Outcome, resource: Resource | undefined) => void;
  /** Called when the client asks for more or less than before, or says what it has. */
  readonly onInterest: () => void;
  /** Called whenever the client has answered everything up to a revision, also if it had before. */
  readonly onSynced: (revision: number, isNew: boolean) => void;
  /** Sends one response. `written` must be called once the next may be sent. */
  readonly send: (response: Uint8Array, written: () => void) => void;
}

/** One stream of one client: what it asked for, has and is owed. Knows nothing of gRPC. */
export class Session implements StreamState {
  readonly types = new Map<string, TypeState>();
  readonly #context: SessionContext;
  #view: View;
  #inRank: readonly TypeState[] = [];
  #nonce = 0;
  #isWritable = true;
  #isClosed = false;
  #syncedRevision = 0;
  /** Whether the client has answered since it was looked how far it is. */
  #hasAnswered = false;
  #returnedUntil: number | undefined;
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#view = context.view;
  }

  get view(): View {
    return this.#view;
  }

  get node(): NodeMemory {
    return this.#context.node;
  }

  get role(): Role {
    return this.#context.role;
  }

  /** Never of a relay that stands by, since nobody is behind it. */
  get isSynced(): boolean {
    return this.role !== 'standby' && this.#view.isReady && this.types.size > 0 && this.#inRank.every((state) => state.isSettled);
  }

  /** The newest revision of which the client answered everything, or what came in its place; 0 for none. */
  get syncedRevision(): number {
    return this.#syncedRevision;
  }

  start(typeUrl: string): TypeState {
    const state = new TypeState(typeUrl);
    this.types.set(typeUrl, state);
    this.#inRank = [...this.types.values()].sort((a, b) => traitsOf(a.typeUrl).rank - traitsOf(b.typeUrl).rank);
    return state;
  }

  /** @param claimed what the client says it has, by name */
  resubscribe(state: TypeState, change: Resubscription, claimed: Readonly<Record<string, string>> = {}): void {
    state.subscription = change.subscription;
    for (const name of change.left) state.forget(name);
    if (change.wildcard === 'left') for (const name of state.held.keys()) if (!state.covers(name)) state.forget(name);
    // Until it has all that there was when it came, it lacks anything.
    for (const name of change.asked) state.force(name, this.#syncedRevision > 0 ? this.#view.revision : 0);
    if (change.wildcard === 'entered') {
      state.mustAnswer = true;
      for (const name of this.#view.ofType(state.typeUrl).keys()) state.look(name, 0);
    }
    for (const [name, version] of Object.entries(claimed)) if (state.covers(name)) this.#claim(state, name, version);
    if (change.wildcard !== 'unchanged' || change.asked.length + change.left.length > 0) this.#context.onInterest();
  }

  #claim(state: TypeState, name: string, version: string): void {
    this.#returnedUntil ??= this.#settleUntil();
    const good = this.#context.lastGood.get(state.typeUrl, name);
    state.held.set(name, good?.resource.version === version ? good : { kind: 'claimed', version });
    state.look(name, 0);
    if (this.node.owed.get(state.typeUrl, name)) state.forced.add(name);
    else state.forced.delete(name);
  }

  /** @param refusal what the client says if it refused the response; answers to responses long past are ignored */
  answer(state: TypeState, nonce: string, refusal: Refusal | undefined): void {
    const { inFlight } = state;
    if (inFlight?.nonce !== nonce) return;
    state.inFlight = undefined;
    this.#hasAnswered = true;
    const names = [...inFlight.entries.keys()];
    // What has changed since is to be sent for that, and says nothing of this answer.
    const changed = new Set(names.filter((name) => state.dirty.has(name)));
    this.#judge(state, inFlight, refusal);
    for (const name of names)
      if (state.isUnsettled(name) || (state.dirty.has(name) && !changed.has(name))) state.lack(name, inFlight.since);
  }

  #judge(state: TypeState, { entries, awaitedBy }: InFlight, refusal: Refusal | undefined): void {
    const { lastGood, onOutcome } = this.#context;
    const { types, view, node } = this;
    const context: VerdictContext = {
      types,
      view,
      node,
      lastGood,
      onOutcome,
      role: this.role,
      settleUntil: this.#settleUntil(),
      awaitedBy,
    };
    if (refusal === undefined) acceptEntries(context, state, entries);
    else refuseEntries(context, state, entries, refusal);
  }

  /** Notes what a revision changed; nothing is sent until `pump`. */
  note({ revision, names }: PublishedChange): void {
    for (const { typeUrl, name } of names) {
      const state = this.types.get(typeUrl);
      if (!state?.covers(name)) continue;
      state.retiring.delete(name);
      state.drainedAt.delete(name);
      state.look(name, revision);
    }
  }

  /**
   * The client may see something else from now on: what it cannot see any more is gone for it, and what it can is new. Nothing is sent
   * until `pump`.
   */
  see(view: View): void {
    const before = this.#view;
    this.#view = view;
    for (const { typeUrl } of this.types.values()) {
      const [was, is] = [before.ofType(typeUrl), view.ofType(typeUrl)];
      const names = [...differing(was, is), ...differing(is, was)].map((name) => ({ typeUrl, name }));
      this.note({ revision: view.revision, names });
    }
  }

  /** Sends all that can be sent now. */
  pump(): void {
    if (this.#isClosed || !this.#view.isReady) return;
    let progress = true;
    while (progress && this.#isWritable) {
      progress = false;
      for (const state of this.#inRank) {
        this.#sweepSettling(state);
        if (this.#isWritable && !state.inFlight && this.#advance(state)) progress = true;
      }
    }
    this.#noteSynced();
  }

  /** Where changes come faster than the client answers, there is always something that it lacks, but nothing old. */
  #noteSynced(): void {
    const { isSynced } = this;
    if (!isSynced && (!this.#hasAnswered || this.role === 'standby')) return;
    this.#hasAnswered = false;
    const revision = Math.min(this.#view.revision, ...this.#inRank.map((state) => state.lacksSince - 1));
    const isNew = this.#syncedRevision < revision;
    if (isNew) this.#syncedRevision = revision;
    if (isNew || isSynced) this.#context.onSynced(this.#syncedRevision, isNew);
  }

  close(): void {
    this.#isClosed = true;
    this.#alarm?.cancel();
  }

  /** On a stream of one type, the client asks for the others elsewhere. */
  #settleUntil(): number | undefined {
    const { aggregated, clock, options } = this.#context;
    return aggregated ? clock.now() + options.settleMs : undefined;
  }

  #sweepSettling(state: TypeState): void {
    const now = this.#context.clock.now();
    for (const [name, until] of state.settling) {
      const held = state.held.get(name);
      if (held?.kind !== 'published' || dependentsInPlace(this, held, now < until)) state.settled(name);
      else if (now < until) this.#wakeAt(until);
    }
  }

  /** Later, since whoever is told may publish, which must not happen in the middle of a plan. */
  #tellHeld(resource: Resource): void {
    if (this.role === 'standby') return;
    const { onOutcome } = this.#context;
    const { typeUrl, name, version } = resource;
    const { id: nodeId } = this.node;
    queueMicrotask(() => onOutcome({ nodeId, typeUrl, name, version, removed: false, outcome: 'held', message: '' }, resource));
  }

  /** @returns whether anything changed, so that another type may have become free to move */
  #advance(state: TypeState): boolean {
    const { dialect, options, lastGood, clock } = this.#context;
    if (dialect.variant === 'sotw') resumeSotw(state, this, this.#settleUntil());
    const before = { dirty: state.dirty.size, suspects: state.suspects.length };
    const entries = planBatch(
      {
        types: this.types,
        view: this.#view,
        node: this.node,
        isHeld: options.isHeld,
        lastGood,
        limits: dialect.limits(state.typeUrl, options.limits),
        drainMs: options.drainMs(),
        now: clock.now(),
        settleUntil: this.#settleUntil(),
        returnedUntil: this.#returnedUntil ?? 0,
        confirm: ({ resource }) => this.#tellHeld(resource),
        wakeAt: (time) => this.#wakeAt(time),
      },
      state,
    );
    const isOverdue = state.mustAnswer && state.dirty.size === 0 && state.suspects.length === 0 && this.#view.knows(state.typeUrl);
    if (entries.size > 0 || isOverdue) this.#send(state, entries);
    return entries.size > 0 || isOverdue || state.suspects.length < before.suspects || state.dirty.size < before.dirty;
  }

  #send(state: TypeState, entries: Entries): void {
    const since = state.firstLacked(entries.keys());
    for (const name of entries.keys()) state.done(name);
    const nonce = String(++this.#nonce);
    const response = this.#context.dialect.encode(state, {
      entries,
      nonce,
      revision: this.#view.revision,
      withRequires: this.role !== 'client',
    });
    if (!response) {
      for (const [name, entry] of entries) if (!entry) state.held.delete(name);
      return;
    }
    state.mustAnswer = false;
    state.inFlight = { nonce, entries, awaitedBy: this.#awaitedBy(state, entries), since };
    if (state.typeUrl === CLUSTER_TYPE) this.#oweEndpoints(entries, since);
    this.#isWritable = false;
    this.#context.send(response, () => {
      this.#isWritable = true;
      this.pump();
    });
  }

  #awaitedBy({ typeUrl }: TypeState, entries: Entries): Map<string, AwaitedBy> {
    const { owed } = this.node;
    return new Map([...entries.keys()].map((name) => [name, owed.get(typeUrl, name) ?? NOBODY]));
  }

  /**
   * Envoy makes a changed cluster anew and waits for its endpoints before it uses it, but does not ask for endpoints that
   * it has been sent before. After a reconnect it may ask for the clusters first, so this is noted before it asks.
   */
  #oweEndpoints(entries: Entries, since: number): void {
    const endpoints = this.types.get(ENDPOINTS_TYPE);
    const { owed } = this.node;
    for (const [name, clusters] of endpointsOf(entries)) {
      owed.set(ENDPOINTS_TYPE, name, (owed.get(ENDPOINTS_TYPE, name) ?? NOBODY).union(clusters));
      if (endpoints?.covers(name)) endpoints.force(name, since);
      // What is on its way was sent before these clusters, though perhaps after earlier versions of them.
      const awaiting = endpoints?.inFlight?.awaitedBy;
      awaiting?.set(name, (awaiting.get(name) ?? NOBODY).difference(clusters));
    }
  }

  #wakeAt(time: number): void {
    if (this.#alarm && this.#alarm.at <= time) return;
    this.#alarm?.cancel();
    const { clock } = this.#context;
    const ring = () => {
      this.#alarm = undefined;
      this.pump();
    };
    this.#alarm = { at: time, cancel: clock.after(Math.max(0, time - clock.now()), ring) };
  }

  /** Whether the client subscribed to any wildcard or name of the type. */
  wants(typeUrl: string): boolean {
    const subscription = this.types.get(typeUrl)?.subscription;
    return subscription !== undefined && (isWildcard(subscription) || (subscription.kind === 'names' && subscription.names.size > 0));
  }
}

/** By name: the clusters that require them. */
function endpointsOf(clusters: Entries): ReadonlyMap<string, Set<string>> {
  const requirers = new Map<string, Set<string>>();
  for (const [cluster, entry] of clusters) {
    for (const { typeUrl, name } of entry?.resource.requires ?? []) {
      if (typeUrl === ENDPOINTS_TYPE) requirers.set(name, (requirers.get(name) ?? new Set()).add(cluster));
    }
  }
  return requirers;
}

function differing(some: ReadonlyMap<string, Published>, others: ReadonlyMap<string, Published>): string[] {
  return [...some].flatMap(([name, published]) => (others.get(name) === published ? [] : [name]));
}
