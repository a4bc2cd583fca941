import type { FieldRef } from '../model/index.ts';
import type { ListenerClaim, ListenPorts } from './claims.ts';
import { type Placement, STANDALONE } from './cluster/placement.ts';

const HTTP_TABLE = 'listener-insecure';
const HTTPS_TABLE = 'listener-secure';

/** The sockets and route tables by which the requests of one Ingress come in. */
export interface Entrance {
  readonly plaintextTable: string;
  readonly secureTable: string;
  /** The listener that its TLS connections arrive at. */
  readonly tlsListener: string;
  /** The port for HTTPS as clients see it; absent for 443 where theirs for HTTP is 80, so that URLs need none. */
  readonly redirectPort?: number;
  /** No other Ingress is served here, since clients reach it at an address of its own. */
  readonly isOwn?: true;
}

/** The listeners that are always there. */
export function baseListeners(ports: ListenPorts, placement: Placement = STANDALONE): readonly ListenerClaim[] {
  if (placement.kind === 'host-network') return [hostPortListener(placement.sharedPort, ports, [])];
  return [
    { name: 'http', address: ports.address, port: ports.http, plaintextTable: HTTP_TABLE, sources: [] },
    { name: 'https', address: ports.address, port: ports.https, secureTable: HTTPS_TABLE, sources: [] },
  ];
}

export function sharedEntrance(ports: ListenPorts, placement: Placement): Entrance {
  if (placement.kind === 'host-network') return hostPortEntrance(placement.sharedPort);
  const entrance = { plaintextTable: HTTP_TABLE, secureTable: HTTPS_TABLE, tlsListener: 'https' };
  const isDefault = placement.kind === 'load-balancer' || (ports.http === 80 && ports.https === 443);
  return isDefault ? entrance : { ...entrance, redirectPort: ports.https };
}

/** One socket for both: TLS and plain text are told apart by the first bytes of a connection. */
export function hostPortEntrance(port: number): Entrance {
  const name = `host-port-${port}`;
  return { plaintextTable: `${name}-insecure`, secureTable: `${name}-secure`, tlsListener: name, redirectPort: port };
}

/** As {@link hostPortEntrance}, behind a load balancer that clients reach at ports 80 and 443. */
export function balancedEntrance(port: number): Entrance {
  const { redirectPort: _, ...entrance } = hostPortEntrance(port);
  return { ...entrance, isOwn: true };
}

export function hostPortListener(port: number, ports: ListenPorts, sources: readonly FieldRef[]): ListenerClaim {
  const { tlsListener: name, plaintextTable, secureTable } = hostPortEntrance(port);
  return { name, address: ports.address, port, plaintextTable, secureTable, sources };
}

/** Whether a route table is for connections with TLS. */
export function isSecureTable(table: string): boolean {
  return table.endsWith('-secure');
}
