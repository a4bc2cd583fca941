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
export const NODE_NETWORK: Addresses = { ipv4: '192.168.56.0/24', ipv6: 'fd00:56::/64' };
export const ROUTER: Addresses = { ipv4: '192.168.56.1', ipv6: 'fd00:56::1' };
/** What the world outside answers at; the first is what it talks from, unless it is told otherwise. */
export const OUTSIDE: readonly [Addresses, ...Addresses[]] = [
  { ipv4: '203.0.113.7', ipv6: '2001:db8:ff::7' },
  { ipv4: '203.0.113.200', ipv6: '2001:db8:ff:1::9' },
  { ipv4: '198.51.100.9', ipv6: '2001:db8:ff:1::a' },
];
/** Bytes. VXLAN over IPv4 takes 50 of each packet. */
export const MTU: Readonly<Record<Network, number>> = { routed: 1500, bridged: 1500, vxlan: 1450 };

const MOST_NODES = 9;
const MOST_PODS = 200;
/** Before it, the gateway. */
const FIRST_POD = 2;
const FIRST_NODE = 10;
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function planNode(network: Network, index: number): PlannedNode {
  if (!Number.isInteger(index) || index < 1 || index > MOST_NODES) throw new LabError('refused', `1 to ${MOST_NODES} nodes`);
  const subnet = index - 1;
  // As it is written in canonical form.
  const v6 = subnet === 0 ? 'fd00:244::' : `fd00:244:${subnet}::`;
  const gateway = network === 'routed' ? { ipv4: '169.254.1.1', ipv6: 'fe80::1' } : { ipv4: `10.244.${subnet}.1`, ipv6: `${v6}1` };
  const host = FIRST_NODE + subnet;
  return {
    name: `node-${index}`,
    index,
    addresses: { ipv4: `192.168.56.${host}`, ipv6: `fd00:56::${(host + 6).toString(16)}` },
    pods: { ipv4: `10.244.${subnet}.0/24`, ipv6: `${v6}/64` },
    gateway,
  };
}

/** @param number from 1, unique on the node */
export function planPod(node: PlannedNode, name: string, number: number): PlannedPod {
  if (!NAME.test(name)) throw new LabError('refused', `"${name}" cannot be a pod's name`);
  if (number > MOST_PODS) throw new LabError('refused', `no more than ${MOST_PODS} pods on a node`);
  const host = FIRST_POD + number - 1;
  const [v4, v6] = [node.pods.ipv4.replace(/0\/24$/, ''), node.pods.ipv6.replace(/\/64$/, '')];
  const addresses = { ipv4: `${v4}${host}`, ipv6: `${v6}${host.toString(16)}` };
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
