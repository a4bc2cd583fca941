import { createHash } from 'node:crypto';
import type { EndpointSlice } from '../../kube/index.ts';
import { compareText } from '../../model/index.ts';

/** One address of a node, as the EndpointSlices of the agents have it. */
export interface NodeEndpoint {
  readonly address: string;
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** The nodes that have an agent, by address family; sorted by address, no duplicates. */
export interface Nodes {
  readonly IPv4: readonly NodeEndpoint[];
  readonly IPv6: readonly NodeEndpoint[];
}

/** What an API server takes in one EndpointSlice. */
const MAX_ENDPOINTS = 1_000;

/**
 * Gathers the nodes from the slices of the agents' headless Service. Those that are neither ready nor still serving are left out; those
 * that are going away stay as such, so that open connections can end.
 * @param slices in any order
 * @param serves whether Ingresses are served by a node, whose name is undefined where nobody says it; default: by all
 */
export function gatherNodes(slices: readonly EndpointSlice[], serves: (nodeName: string | undefined) => boolean = () => true): Nodes {
  return { IPv4: gather(slices, 'IPv4', serves), IPv6: gather(slices, 'IPv6', serves) };
}

/** The addresses that serve now: of ready nodes. */
export function readyAddresses({ IPv4, IPv6 }: Nodes): readonly string[] {
  return [...IPv4, ...IPv6].filter(({ ready }) => ready).map(({ address }) => address);
}

function gather(
  slices: readonly EndpointSlice[],
  family: 'IPv4' | 'IPv6',
  serves: (nodeName: string | undefined) => boolean,
): readonly NodeEndpoint[] {
  const found = new Map<string, NodeEndpoint>();
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints) {
      const ready = conditions.ready ?? true;
      const serving = conditions.serving ?? ready;
      const [address] = addresses;
      if (address === undefined || !(ready || serving) || found.get(address)?.ready || !serves(nodeName)) continue;
      found.set(address, { address, nodeName, ready, serving, terminating: conditions.terminating ?? false });
    }
  }
  return [...found.values()].sort((a, b) => compareText(a.address, b.address));
}

/**
 * Divides nodes among EndpointSlices: all in one part named ``, or as long as a part has more than 1,000, that in two by the next bit of a
 * hash of the address. So where a node belongs depends on its address alone, and one that comes or goes changes one part, but for the one
 * that makes a part too large. The first part keeps its name when it is divided, since its EndpointSlice remembers the port.
 * @param nodes sorted by address
 * @returns the parts by name, the bits of the hash without zeros at the end; the first is always there
 */
export function partitionNodes(nodes: readonly NodeEndpoint[]): ReadonlyMap<string, readonly NodeEndpoint[]> {
  const parts = new Map<string, readonly NodeEndpoint[]>([['', []]]);
  divide(nodes, '', parts);
  return parts;
}

function divide(nodes: readonly NodeEndpoint[], bits: string, parts: Map<string, readonly NodeEndpoint[]>): void {
  if (nodes.length <= MAX_ENDPOINTS) {
    if (nodes.length > 0) parts.set(bits.replace(/0+$/, ''), nodes);
    return;
  }
  const isSet = (address: string) => hashBit(address, bits.length) === 1;
  const { zero = [], one = [] } = Object.groupBy(nodes, ({ address }) => (isSet(address) ? 'one' : 'zero'));
  divide(zero, `${bits}0`, parts);
  divide(one, `${bits}1`, parts);
}

function hashBit(address: string, index: number): number {
  return (
    (createHash('sha256')
      .update(address)
      .digest()
      .readUInt8(index >> 3) >>
      (7 - (index & 7))) &
    1
  );
}
