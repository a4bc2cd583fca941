import type { EndpointSlice } from '../../kube/index.ts';
import { compareText } from '../claims.ts';

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
 * that are going away stay as such, so that open connections can end. Of more than 1,000 the first by address count.
 * @param slices in any order
 */
export function gatherNodes(slices: readonly EndpointSlice[]): Nodes {
  return { IPv4: gather(slices, 'IPv4'), IPv6: gather(slices, 'IPv6') };
}

/** The addresses that serve now: of ready nodes. */
export function readyAddresses({ IPv4, IPv6 }: Nodes): readonly string[] {
  return [...IPv4, ...IPv6].filter(({ ready }) => ready).map(({ address }) => address);
}

function gather(slices: readonly EndpointSlice[], family: 'IPv4' | 'IPv6'): readonly NodeEndpoint[] {
  const found = new Map<string, NodeEndpoint>();
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints) {
      const ready = conditions.ready ?? true;
      const serving = conditions.serving ?? ready;
      const [address] = addresses;
      if (address === undefined || !(ready || serving) || found.get(address)?.ready) continue;
      found.set(address, { address, nodeName, ready, serving, terminating: conditions.terminating ?? false });
    }
  }
  const sorted = [...found.values()].sort((a, b) => Number(b.ready) - Number(a.ready) || compareText(a.address, b.address));
  return sorted.slice(0, MAX_ENDPOINTS).sort((a, b) => compareText(a.address, b.address));
}
