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
  /** By name: who waited for it when it was sent. Whoever came later waits for the next. */
  readonly awaitedBy: ReadonlyMap<string, AwaitedBy>;
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

  /** Marks a name to be sent or told of, whatever the client has. */
  force(name: string): void {
    this.dirty.add(name);
    this.forced.add(name);
  }

  /** The name needs no more attention for now. */
  done(name: string): void {
    this.dirty.delete(name);
    this.forced.delete(name);
    this.retiring.delete(name);
    this.drainedAt.delete(name);
  }

  /** The client does not want the name any more. */
  forget(name: string): void {
    this.done(name);
    this.held.delete(name);
    this.doubtful.delete(name);
    this.settling.delete(name);
  }
}
