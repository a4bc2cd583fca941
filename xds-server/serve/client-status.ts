import type { ClientStream } from './client-stream.ts';
import type { Role } from './role.ts';
import type { Session } from './session.ts';
import { isWildcard, namesOf } from './subscription.ts';
import { type TypeState, versionOf } from './type-state.ts';

/** One stream of a connected client. */
export interface ClientStatus {
  readonly nodeId: string;
  /** `ads` or the one type of the service. */
  readonly service: string;
  readonly variant: 'delta' | 'sotw';
  /** `standby`: a node's agent whose Envoy is away; it is never synced. */
  readonly role: Role;
  readonly peer: string;
  readonly connectedAt: Date;
  /** Whether all that the client asked for is sent and answered; removals that wait for connections to drain do not count. */
  readonly synced: boolean;
  /** The newest revision of which that was so; 0 for none. */
  readonly syncedRevision: number;
  readonly types: readonly TypeStatus[];
}

export interface TypeStatus {
  readonly typeUrl: string;
  readonly wildcard: boolean;
  /** Names that were asked for, besides a wildcard. */
  readonly names: number;
  readonly accepted: number;
  /** Names that are to be sent or are not answered. */
  readonly pending: number;
  /** Names that are to be removed once nothing needs them. */
  readonly retiring: number;
  readonly rejected: readonly { readonly name: string; readonly version: string; readonly message: string }[];
  /** Name and version of all that the client accepted; a view that is valid until the event loop turns. */
  versions(): Iterable<readonly [name: string, version: string]>;
}

export function describeClient(stream: ClientStream, session: Session): ClientStatus {
  const { method, peer, connectedAt } = stream;
  return {
    nodeId: session.node.id,
    service: method.typeUrl ?? 'ads',
    variant: method.protocol.dialect.variant,
    role: session.role,
    peer,
    connectedAt,
    synced: session.isSynced,
    syncedRevision: session.syncedRevision,
    types: [...session.types.values()].map((state) => describeType(state, session)),
  };
}

function describeType(state: TypeState, { node, view }: Session): TypeStatus {
  const { typeUrl, subscription, held, dirty, suspects, inFlight, retiring } = state;
  const rejections = [...node.rejected.of(typeUrl)];
  return {
    typeUrl,
    wildcard: isWildcard(subscription),
    names: namesOf(subscription).size,
    accepted: held.size,
    pending: new Set([...dirty, ...suspects.flat(), ...(inFlight?.entries.keys() ?? [])]).size,
    retiring: retiring.size,
    rejected: rejections
      .filter(([name, { version }]) => view.published(typeUrl, name)?.resource.version === version)
      .map(([name, { version, message }]) => ({ name, version, message })),
    versions: () => held.entries().map(([name, value]) => [name, versionOf(value)] as const),
  };
}
