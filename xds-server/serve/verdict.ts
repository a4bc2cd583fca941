import type { Published } from './cache.ts';
import type { LastGood } from './last-good.ts';
import { type AwaitedBy, NOBODY } from './node-memory.ts';
import { type StreamState, settle } from './order.ts';
import type { Outcome } from './outcome.ts';
import type { Entries } from './plan.ts';
import { type Refusal, withoutQuote } from './refusal.ts';
import type { Resource } from './resource.ts';
import type { Role } from './role.ts';
import type { TypeState } from './type-state.ts';
import { ENDPOINTS_TYPE } from './types.ts';

export interface VerdictContext extends StreamState {
  readonly lastGood: LastGood;
  readonly onOutcome: (outcome: Outcome, resource: Resource | undefined) => void;
  readonly role: Role;
  /** Until when what must follow the accepted resources is waited for; undefined to not wait for it. */
  readonly settleUntil: number | undefined;
  /** By name: which clusters waited for what the response has. */
  readonly awaitedBy: ReadonlyMap<string, AwaitedBy>;
}

/** The client accepted a whole response. */
export function acceptEntries(context: VerdictContext, state: TypeState, entries: Entries): void {
  for (const [name, entry] of entries) {
    state.doubtful.delete(name);
    const counts = isTold(context, state, name);
    if (counts && !isSubstitute(context, state, name, entry)) context.node.rejected.delete(state.typeUrl, name);
    if (!entry) acceptRemoval(context, state, name);
    else acceptResource(context, state, entry);
    if (counts) report(context, state, name, entry, undefined);
  }
}

/**
 * Whether an acceptance says that the resource is good. Not of a relay that stands by, nor of one that gave up the name: it
 * accepts what nobody behind it wants any more.
 */
function isTold({ role }: VerdictContext, state: TypeState, name: string): boolean {
  return role === 'client' || (role === 'relay' && state.covers(name));
}

function acceptRemoval({ node }: VerdictContext, state: TypeState, name: string): void {
  state.held.delete(name);
  node.owed.delete(state.typeUrl, name);
}

function acceptResource(context: VerdictContext, state: TypeState, entry: Published): void {
  const { name } = entry.resource;
  if (isTold(context, state, name)) context.lastGood.accept(entry);
  if (!state.covers(name)) return;
  payOff(context, state, name);
  settle(context, state, entry, context.settleUntil);
}

/** A cluster that was sent in the meantime is not warm by what was sent before, so it is owed once more. */
function payOff({ node: { owed }, awaitedBy }: VerdictContext, { typeUrl, forced }: TypeState, name: string): void {
  const owedTo = forced.has(name) ? owed.get(typeUrl, name) : undefined;
  if (owedTo) owed.set(typeUrl, name, owedTo.difference(awaitedBy.get(name) ?? NOBODY));
  else owed.delete(typeUrl, name);
}

/**
 * The client refused a response. If it names what it refused, it accepted the rest. If not, as Envoy, a response with several
 * resources is halved until the one to blame stands alone: k bad ones among n cost about k·log2(n) more responses, and each
 * good one is accepted by name.
 */
export function refuseEntries(context: VerdictContext, state: TypeState, entries: Entries, refusal: Refusal): void {
  const message = withoutQuote(refusal.message);
  const named = [...entries.keys()].filter((name) => refusal.resources.has(name));
  if (named.length > 0) {
    acceptEntries(context, state, new Map([...entries].filter(([name]) => !refusal.resources.has(name))));
    for (const name of named) refuseEntry(context, state, name, entries.get(name) ?? null, withoutQuote(refusal.resources.get(name) ?? ''));
    return;
  }
  if (entries.size > 1) {
    const names = [...entries.keys()];
    const middle = Math.ceil(names.length / 2);
    state.suspects.unshift(names.slice(0, middle), names.slice(middle));
    for (const [name, entry] of entries) {
      state.forced.add(name);
      if (entry) state.doubtful.set(name, [...(state.doubtful.get(name) ?? []), entry]);
      context.node.owed.set(state.typeUrl, name, context.node.owed.get(state.typeUrl, name) ?? NOBODY);
    }
    return;
  }
  for (const [name, entry] of entries) refuseEntry(context, state, name, entry, message);
}

function refuseEntry(context: VerdictContext, state: TypeState, name: string, entry: Published | null, message: string): void {
  if (entry) reject(context, state, entry, message);
  // There is no more that could be done to have it removed.
  else state.forget(name);
  report(context, state, name, entry, message);
}

function reject(context: VerdictContext, state: TypeState, entry: Published, message: string): void {
  const { typeUrl, name, version } = entry.resource;
  const before = context.node.rejected.get(typeUrl, name);
  const { owed, rejected } = context.node;
  // What else was sent in refused responses may still be in force, this is not.
  const doubtful = state.doubtful.get(name)?.filter((each) => each.resource.version !== version) ?? [];
  if (doubtful.length > 0) state.doubtful.set(name, doubtful);
  else state.doubtful.delete(name);
  if (before && isSubstitute(context, state, name, entry)) {
    rejected.set(typeUrl, name, { ...before, substituteRefused: true });
    owed.delete(typeUrl, name);
    return;
  }
  rejected.set(typeUrl, name, { version, message, substituteRefused: false });
  if (!state.covers(name)) return;
  state.dirty.add(name);
  // The cluster that waits for endpoints must make do with those it had.
  if (typeUrl === ENDPOINTS_TYPE && owed.get(typeUrl, name)) state.forced.add(name);
  else owed.delete(typeUrl, name);
}

/** Whether this was sent in place of the version that the client should have and refused. */
function isSubstitute({ node, view }: StreamState, { typeUrl }: TypeState, name: string, entry: Published | null): boolean {
  const rejected = node.rejected.get(typeUrl, name)?.version;
  return (
    entry !== null &&
    rejected !== undefined &&
    rejected !== entry.resource.version &&
    rejected === view.published(typeUrl, name)?.resource.version
  );
}

function report(context: VerdictContext, { typeUrl }: TypeState, name: string, entry: Published | null, message: string | undefined): void {
  const outcome: Outcome = {
    nodeId: context.node.id,
    typeUrl,
    name,
    version: entry?.resource.version ?? '',
    removed: entry === null,
    outcome: message === undefined ? 'ack' : 'nack',
    message: message ?? '',
  };
  context.onOutcome(outcome, entry?.resource);
}
