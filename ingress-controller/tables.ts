import type { FieldRef } from '../model/index.ts';
import type { ListenerClaim, ListenPorts } from './claims.ts';

const HTTP_TABLE = 'listener-insecure';
const HTTPS_TABLE = 'listener-secure';

/** The sockets and route tables by which the requests of one Ingress come in. */
export interface Entrance {
  readonly plaintextTable: string;
  readonly secureTable: string;
  /** The listener that its TLS connections arrive at, and the port of it. */
  readonly tlsListener: string;
  readonly tlsPort: number;
}

/** The listeners that are always there. */
export function baseListeners(ports: ListenPorts): readonly ListenerClaim[] {
  return [
    { name: 'http', address: ports.address, port: ports.http, plaintextTable: HTTP_TABLE, sources: [] },
    { name: 'https', address: ports.address, port: ports.https, secureTable: HTTPS_TABLE, sources: [] },
  ];
}

export function sharedEntrance(ports: ListenPorts): Entrance {
  return { plaintextTable: HTTP_TABLE, secureTable: HTTPS_TABLE, tlsListener: 'https', tlsPort: ports.https };
}

/** One socket for both: TLS and plain text are told apart by the first bytes of a connection. */
export function hostPortEntrance(port: number): Entrance {
  const name = `host-port-${port}`;
  return { plaintextTable: `${name}-insecure`, secureTable: `${name}-secure`, tlsListener: name, tlsPort: port };
}

export function hostPortListener(port: number, ports: ListenPorts, source: FieldRef): ListenerClaim {
  const { tlsListener: name, plaintextTable, secureTable } = hostPortEntrance(port);
  return { name, address: ports.address, port, plaintextTable, secureTable, sources: [source] };
}

/** Whether a route table is for connections with TLS. */
export function isSecureTable(table: string): boolean {
  return table.endsWith('-secure');
}
