import { isIPv6 } from 'node:net';
import { LabError } from '../lab-error.ts';

/** How pods of a node are connected, and how with those of others. */
export const NETWORKS = ['routed', 'bridged', 'vxlan'] as const;
export type Network = (typeof NETWORKS)[number];

export const FAMILIES = ['ipv4', 'ipv6'] as const;
export type Family = (typeof FAMILIES)[number];

/** One address of each family. */
export type Addresses = Readonly<Record<Family, string>>;

export interface PlannedNode {
  /** `node-1`, …; so is its network namespace called. */
  readonly name: string;
  readonly index: number;
  readonly addresses: Addresses;
  /** Prefixes of its pods. */
  readonly pods: Addresses;
  /** What its pods have as their first hop: an address of the bridge where there is one, else one that stands for the node. */
  readonly gateway: Addresses;
}

export interface PlannedPod {
  readonly name: string;
  readonly node: PlannedNode;
  /** The node's own in its network. */
  readonly addresses: Addresses;
  /** Of its own end of the link, the same whenever that is made anew: what others remember of it stays true. */
  readonly mac: string | undefined;
  /** The node's end of its link; undefined in the network of its node. */
  readonly device: string | undefined;
}

/** All pods and all nodes: what is neither is outside. */
export const POD_NETWORK: Addresses = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' };
export const NODE_NETWORK: Addresses = { ipv4: '10.88.0.0/24', ipv6: 'fd00:88::/64' };
export const ROUTER: Addresses = { ipv4: '10.88.0.1', ipv6: 'fd00:88::1' };
/** What the world outside answers at; the first is what it talks from, unless it is told otherwise. */
export const OUTSIDE: readonly [Addresses, ...Addresses[]] = [
  { ipv4: '192.0.2.1', ipv6: '2001:db8:1::1' },
  { ipv4: '192.0.2.130', ipv6: '2001:db8:1::130' },
  { ipv4: '198.51.100.1', ipv6: '2001:db8:2::1' },
];
/** Bytes. VXLAN over IPv4 takes 50 of each packet. */
export const MTU: Readonly<Record<Network, number>> = { routed: 1500, bridged: 1500, vxlan: 1450 };

const MOST_NODES = 9;
const MOST_PODS = 200;
const FIRST_POD = 10;
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function planNode(network: Network, index: number): PlannedNode {
  if (!Number.isInteger(index) || index < 1 || index > MOST_NODES) throw new LabError('refused', `1 to ${MOST_NODES} nodes`);
  const gateway =
    network === 'routed' ? { ipv4: '169.254.1.1', ipv6: 'fe80::1' } : { ipv4: `10.244.${index}.1`, ipv6: `fd00:244:${index}::1` };
  return {
    name: `node-${index}`,
    index,
    addresses: { ipv4: `10.88.0.1${index}`, ipv6: `fd00:88::1${index}` },
    pods: { ipv4: `10.244.${index}.0/24`, ipv6: `fd00:244:${index}::/64` },
    gateway,
  };
}

/** @param number from 1, unique on the node */
export function planPod(node: PlannedNode, name: string, number: number): PlannedPod {
  if (!NAME.test(name)) throw new LabError('refused', `"${name}" cannot be a pod's name`);
  if (number > MOST_PODS) throw new LabError('refused', `no more than ${MOST_PODS} pods on a node`);
  const host = FIRST_POD + number;
  const addresses = { ipv4: `10.244.${node.index}.${host}`, ipv6: `fd00:244:${node.index}::${host.toString(16)}` };
  const mac = `02:70:00:00:0${node.index}:${host.toString(16).padStart(2, '0')}`;
  return { name, node, addresses, mac, device: `veth${node.index}x${number}` };
}

export function planHostPod(node: PlannedNode, name: string): PlannedPod {
  if (!NAME.test(name)) throw new LabError('refused', `"${name}" cannot be a pod's name`);
  return { name, node, addresses: node.addresses, mac: undefined, device: undefined };
}

export function familyOf(address: string): Family {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
