import type { Published } from './cache.ts';
import type { AwaitedBy } from './node-memory.ts';
import { covers, NOTHING, type Subscription } from './subscription.ts';

/** What a client has by its own account, and we do not: a version from before it reconnected. */
export interface Claimed {
  readonly kind: 'claimed';
  readonly version: string;
}

export type Held = Published | Claimed;

export function versionOf(held: Held): string {
  return held.kind === 'published' ? held.resource.version : held.version;
}

/** A response that was sent and not answered: what it set (a resource) and removed (null). */
export interface InFlight {
  readonly nonce: string;
  readonly entries: ReadonlyMap<string, Published | null>;
  /** By name: who waited for it when it was sent, and does so for the same. Whoever came later waits for the next. */
  readonly awaitedBy: Map<string, AwaitedBy>;
  /** The first revision that the client may lack for lack of the answer. */
  readonly since: number;
}

/**
 * Where one stream stands with one type. Changes are kept as names only: what is sent for a name is decided when it is
 * sent, so that a client that reads slowly costs no memory however often things change.
 *
 * A name that is subscribed and whose `held` is not what the client should have is in `dirty`, `retiring`, `suspects` or
 * `inFlight`. Nothing else in this layer may break this, or the client would wait forever.
 */
export class TypeState {
  readonly typeUrl: string;
  subscription: Subscription = NOTHING;
  /** What the client accepted, or says it has. */
  readonly held = new Map<string, Held>();
  /** Names to look at. */
  readonly dirty = new Set<string>();
  /** Names among the dirty to send, or to tell of as removed, even if the client has the same. */
  readonly forced = new Set<string>();
  /** Removals that wait until nothing needs the resource and its connections have drained. */
  readonly retiring = new Set<string>();
  /** When a removal may be sent, in milliseconds of the clock. */
  readonly drainedAt = new Map<string, number>();
  /** Parts of a refused response, each to be sent by itself. */
  readonly suspects: string[][] = [];
  /** What was in a refused response and may be in force: nothing says which parts of it the client applied. */
  readonly doubtful = new Map<string, Published[]>();
  /** Accepted resources whose dependents the client is yet to ask for or to get, and until when that is waited for. */
  readonly settling = new Map<string, number>();
  /** Of names that wait, except in flight: the first revision of which the client may lack what it has of that. */
  readonly since = new Map<string, number>();
  inFlight: InFlight | undefined;
  /** The client waits for a response even if there is nothing to say. */
  mustAnswer = false;
  /** State of the world: the version that a reconnecting client says it has. */
  claimedVersion: string | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  covers(name: string): boolean {
    return covers(this.subscription, name);
  }

  get isSettled(): boolean {
    return !this.inFlight && !this.mustAnswer && this.dirty.size === 0 && this.suspects.length === 0 && this.settling.size === 0;
  }

  /** The first revision that the client may lack of this type; infinity if there is none. */
  get lacksSince(): number {
    if (this.isSettled) return Number.POSITIVE_INFINITY;
    if (this.mustAnswer) return 0;
    return Math.min(this.inFlight?.since ?? Number.POSITIVE_INFINITY, this.firstLacked(this.#waiting()));
  }

  /** The first revision that the client may lack for one of the names, all of which wait. */
  firstLacked(names: Iterable<string>): number {
    let first = Number.POSITIVE_INFINITY;
    for (const name of names) first = Math.min(first, this.since.get(name) ?? 0);
    return first;
  }

  *#waiting(): Iterable<string> {
    yield* this.dirty;
    yield* this.settling.keys();
    for (const names of this.suspects) yield* names;
  }

  /** Notes that the client lacks what a revision has of a name; if it lacked that of an earlier one, it still does. */
  lack(name: string, revision: number): void {
    this.since.set(name, Math.min(revision, this.since.get(name) ?? revision));
  }

  /** Whether of the name something was answered that was refused with others, or that waits for what it requires. */
  isUnsettled(name: string): boolean {
    return this.settling.has(name) || this.suspects.some((names) => names.includes(name));
  }

  /** Has a name looked at, of which the client may lack what there is since a revision. */
  look(name: string, since: number): void {
    this.lack(name, since);
    this.dirty.add(name);
  }

  /** Marks a name to be sent or told of, whatever the client has. */
  force(name: string, since: number): void {
    this.look(name, since);
    this.forced.add(name);
  }

  /** There is nothing to send for the name for now. */
  ignore(name: string): void {
    this.dirty.delete(name);
    this.since.delete(name);
  }

  /** The name needs no more attention for now. */
  done(name: string): void {
    this.ignore(name);
    this.forced.delete(name);
    this.retiring.delete(name);
    this.drainedAt.delete(name);
  }

  /** What the accepted resource requires has followed, or is not waited for any longer. */
  settled(name: string): void {
    this.settling.delete(name);
    if (!this.dirty.has(name) && !this.isUnsettled(name)) this.since.delete(name);
  }

  /** The client does not want the name any more. */
  forget(name: string): void {
    this.done(name);
    this.held.delete(name);
    this.doubtful.delete(name);
    this.settling.delete(name);
  }
}
