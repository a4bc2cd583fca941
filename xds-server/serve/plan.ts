import type { Published } from './cache.ts';
import type { LastGood } from './last-good.ts';
import { isRejected, mustWait, type Needed, neededByStale, type StreamState, settle } from './order.ts';
import type { Resource } from './resource.ts';
import { type TypeState, versionOf } from './type-state.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTES_TYPE, SECRET_TYPE, traitsOf } from './types.ts';

export interface BatchLimits {
  readonly resources: number;
  /** Bytes after which no resource is added. */
  readonly bytes: number;
}

export const UNLIMITED: BatchLimits = { resources: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

export interface PlanContext extends StreamState {
  readonly lastGood: LastGood;
  readonly limits: BatchLimits;
  readonly drainMs: number;
  readonly now: number;
  /** Until when what must follow resources that the client turns out to have is waited for; undefined to not wait for it. */
  readonly settleUntil: number | undefined;
  /** Until when a client that returned may take to say what it has of all types, so that what may need a resource is not known. */
  readonly returnedUntil: number;
  /** Whether something else has to happen before a resource may be sent. */
  isHeld(resource: Resource): boolean;
  /** A client that returned turns out to have this, and nothing newer is to be sent. */
  confirm(held: Published): void;
  /** Asks for another look at a time. */
  wakeAt(time: number): void;
}

/** What a response is to set (a resource) and remove (null), by name. */
export type Entries = ReadonlyMap<string, Published | null>;

/**
 * Chooses what to send next of one type, as things are now. Names for which there is nothing to do are taken off the
 * lists; names that must wait stay on them.
 */
export function planBatch(context: PlanContext, state: TypeState): Entries {
  const isolated = state.suspects.shift();
  // Parts of a refused response are within the limits, since the whole was.
  const upserts = isolated ? planUpserts(context, state, isolated, UNLIMITED) : planUpserts(context, state, state.dirty, context.limits);
  if (upserts.isFull) return upserts.entries;
  const candidates = isolated ? upserts.absent : [...upserts.absent, ...state.retiring];
  // What is removed must not go before what takes its place, and listeners and scopes that replace each other conflict
  // unless both stand in one response.
  if (upserts.isGated && traitsOf(state.typeUrl).rank >= traitsOf(LISTENER_TYPE).rank) {
    for (const name of upserts.absent) retire(state, name);
    return upserts.entries;
  }
  for (const name of planRemovals(context, state, candidates)) upserts.entries.set(name, null);
  return upserts.entries;
}

interface PlannedUpserts {
  readonly entries: Map<string, Published | null>;
  /** Names that the cache does not have. */
  readonly absent: readonly string[];
  readonly isGated: boolean;
  readonly isFull: boolean;
}

function planUpserts(context: PlanContext, state: TypeState, names: Iterable<string>, limits: BatchLimits): PlannedUpserts {
  const entries = new Map<string, Published | null>();
  const absent: string[] = [];
  let bytes = 0;
  let isGated = false;
  for (const name of names) {
    if (entries.size >= limits.resources || bytes >= limits.bytes) return { entries, absent, isGated, isFull: true };
    const current = state.covers(name) ? context.view.published(state.typeUrl, name) : undefined;
    if (!current) {
      // What is unknown will be told of as a change once it is known.
      if (state.covers(name) && context.view.isUnknown(state.typeUrl, name)) state.ignore(name);
      else absent.push(name);
      continue;
    }
    const target = chooseTarget(context, state, current);
    if (!target) state.done(name);
    else if (context.isHeld(target.resource) || mustWait(context, state, target)) {
      state.dirty.add(name);
      isGated = true;
    } else {
      entries.set(name, target);
      bytes += target.resource.body.length;
    }
  }
  return { entries, absent, isGated, isFull: false };
}

/** The version that the client should have, unless it has it already. */
function chooseTarget(context: PlanContext, state: TypeState, current: Published): Published | undefined {
  const { name } = current.resource;
  const held = state.held.get(name);
  const target = isRejected(context, current) ? substituteFor(context, state, current) : current;
  if (!target) return undefined;
  if (state.forced.has(name) || !held || versionOf(held) !== target.resource.version) return target;
  if (held.kind === 'claimed') {
    // As if it had been sent and accepted: what the client refused before that may be tried again.
    if (target === current) context.node.rejected.delete(state.typeUrl, name);
    context.confirm(target);
  }
  settle(context, state, target, context.settleUntil);
  return undefined;
}

function substituteFor({ lastGood, node }: PlanContext, state: TypeState, { resource }: Published): Published | undefined {
  const held = state.held.get(resource.name);
  if (held) return held.kind === 'published' ? held : undefined;
  if (node.rejected.get(resource.typeUrl, resource.name)?.substituteRefused) return undefined;
  const good = lastGood.get(resource.typeUrl, resource.name);
  return good?.resource.version === resource.version ? undefined : good;
}

function planRemovals(context: PlanContext, state: TypeState, names: Iterable<string>): string[] {
  const planned: string[] = [];
  let needed: Needed | undefined;
  for (const name of names) {
    if (!state.covers(name)) state.forget(name);
    else if (!state.held.has(name) && !state.doubtful.has(name)) {
      context.node.rejected.delete(state.typeUrl, name);
      if (state.forced.has(name)) planned.push(name);
      else state.done(name);
    } else {
      needed ??= neededByStale(context, state.typeUrl);
      if (isDrained(context, state, name, needed)) planned.push(name);
      else retire(state, name);
    }
  }
  return planned;
}

function isDrained(context: PlanContext, state: TypeState, name: string, needed: Needed): boolean {
  if (needed.has(name)) {
    state.drainedAt.delete(name);
    return false;
  }
  const at = state.drainedAt.get(name) ?? removableAt(context, state.typeUrl);
  if (at <= context.now) return true;
  state.drainedAt.set(name, at);
  context.wakeAt(at);
  return false;
}

function removableAt({ now, drainMs, returnedUntil }: PlanContext, typeUrl: string): number {
  // Requests that were routed by what was there before may still be about to choose this cluster.
  const drained = typeUrl === CLUSTER_TYPE || typeUrl === SECRET_TYPE ? now + drainMs : now;
  return traitsOf(typeUrl).depth < traitsOf(ROUTES_TYPE).depth ? drained : Math.max(drained, returnedUntil);
}

function retire(state: TypeState, name: string): void {
  state.dirty.delete(name);
  state.retiring.add(name);
}
