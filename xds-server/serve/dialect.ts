import { encodeDeltaResponse, encodeSotwResponse, versionOfSet } from './encode.ts';
import { type StreamState, settle } from './order.ts';
import { type BatchLimits, type Entries, UNLIMITED } from './plan.ts';
import type { Resource } from './resource.ts';
import { isWildcard } from './subscription.ts';
import type { TypeState } from './type-state.ts';
import { traitsOf } from './types.ts';

/** How the two variants of the protocol put a batch into a response. */
export interface Dialect {
  readonly variant: 'delta' | 'sotw';
  limits(typeUrl: string, limits: BatchLimits): BatchLimits;
  /** Undefined if this variant has no words for it, so that the client need not be told. */
  encode(
    state: TypeState,
    response: { readonly entries: Entries; readonly nonce: string; readonly revision: number; readonly withRequires: boolean },
  ): Uint8Array | undefined;
}

export const DELTA: Dialect = {
  variant: 'delta',
  limits: (_typeUrl, limits) => limits,
  encode: ({ typeUrl }, { entries, nonce, revision, withRequires }) =>
    encodeDeltaResponse({ typeUrl, nonce, entries, systemVersion: String(revision), withRequires }),
};

export const SOTW: Dialect = {
  variant: 'sotw',
  limits: (typeUrl, limits) => (traitsOf(typeUrl).collection ? UNLIMITED : limits),
  encode: (state, { entries, nonce }) => {
    const { typeUrl } = state;
    const after = stateAfter(state, entries);
    const said = traitsOf(typeUrl).collection
      ? after
      : entries
          .values()
          .flatMap((entry) => (entry ? [entry.resource] : []))
          .toArray();
    // Of a type that is asked for by names, absence cannot be told.
    if (said.length === 0 && !traitsOf(typeUrl).collection && !state.mustAnswer) return undefined;
    return encodeSotwResponse({ typeUrl, nonce, version: versionOfSet(after), resources: said });
  },
};

/** What the client has once it accepts the entries. */
function stateAfter(state: TypeState, entries: Entries): Resource[] {
  const after: Resource[] = [];
  for (const [name, held] of state.held) if (held.kind === 'published' && !entries.has(name)) after.push(held.resource);
  for (const entry of entries.values()) if (entry) after.push(entry.resource);
  return after;
}

/**
 * A client of the state of the world comes back and names the version that it has: if that is what it should have, there
 * is nothing to send. By names, this cannot be told: it may have dropped and asked again for what the version stood for.
 */
export function resumeSotw(state: TypeState, stream: StreamState, settleUntil: number | undefined): void {
  const claimed = state.claimedVersion;
  state.claimedVersion = undefined;
  if (claimed === undefined || !isWildcard(state.subscription)) return;
  const targets = [...stream.view.ofType(state.typeUrl).values()];
  if (versionOfSet(targets.map(({ resource }) => resource)) !== claimed) return;
  state.mustAnswer = false;
  for (const target of targets) {
    const { name } = target.resource;
    settle(stream, state, target, settleUntil);
    if (stream.node.owed.get(state.typeUrl, name)) state.force(name, 0);
    else state.done(name);
  }
}
