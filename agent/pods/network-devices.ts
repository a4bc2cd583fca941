import type { LinkAddress, NetworkLink, Route } from '../netlink/index.ts';

/** A device by which packets come from elsewhere. */
export interface NetworkDevice {
  readonly ifindex: number;
  readonly name: string;
}

export interface NetworkDevices {
  /** Devices of the default routes, and those that have an address of the node. */
  readonly uplinks: readonly NetworkDevice[];
  /** Out of which packets of other nodes' pods come, that were inside others. */
  readonly tunnels: readonly NetworkDevice[];
}

/** Addresses that nobody else can have a packet sent to. */
const LOOPBACK = /^(127\.|::1$)/;
const LINK_LOCAL = /^fe[89ab]/;

const TUNNEL_KINDS: ReadonlySet<string> = new Set([
  'bareudp',
  'erspan',
  'geneve',
  'gre',
  'gretap',
  'ip6erspan',
  'ip6gre',
  'ip6gretap',
  'ip6tnl',
  'ipip',
  'sit',
  'tun',
  'vti',
  'vti6',
  'vxlan',
  'wireguard',
  'xfrm',
]);

const DEFAULT_ROUTES: ReadonlySet<string> = new Set(['0.0.0.0/0', '::/0']);

/** Sorted by ifindex; a tunnel is no uplink. @param nodeAddresses in canonical form */
export function findNetworkDevices(
  links: readonly NetworkLink[],
  addresses: readonly LinkAddress[],
  routes: readonly Route[],
  nodeAddresses: readonly string[],
): NetworkDevices {
  const own = new Set(nodeAddresses);
  const leading = new Set(routes.filter(isDefaultRoute).flatMap(({ devices }) => devices));
  for (const { index, address } of addresses) if (own.has(address)) leading.add(index);
  const real = links.filter(({ isLoopback }) => !isLoopback).sort((a, b) => a.index - b.index);
  const isTunnel = ({ kind }: NetworkLink) => kind !== undefined && TUNNEL_KINDS.has(kind);
  const described = ({ index, name }: NetworkLink) => ({ ifindex: index, name });
  return {
    uplinks: real.filter((link) => leading.has(link.index) && !isTunnel(link)).map(described),
    tunnels: real.filter(isTunnel).map(described),
  };
}

/** All by which this node sends to its pods: its own, and those of bridges and tunnels that lead to them. Sorted. */
export function findHostAddresses(addresses: readonly LinkAddress[]): readonly string[] {
  return [...new Set(addresses.map(({ address }) => address))]
    .filter((address) => !LOOPBACK.test(address) && !LINK_LOCAL.test(address))
    .sort();
}

/** By which this node is known on links that several share, such as bridges of pods. Sorted. */
export function findLinkLocalAddresses(addresses: readonly LinkAddress[], links: readonly NetworkLink[]): readonly string[] {
  const shared = new Set(links.filter(({ kind }) => kind !== 'veth').map(({ index }) => index));
  const found = addresses.filter(({ index, address }) => shared.has(index) && LINK_LOCAL.test(address));
  return [...new Set(found.map(({ address }) => address))].sort();
}

export function isDefaultRoute({ prefix }: Route): boolean {
  return DEFAULT_ROUTES.has(prefix);
}
