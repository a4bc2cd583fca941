import { FAMILIES, type Family, MTU, type Network, NODE_NETWORK, OUTSIDE, type PlannedNode, type PlannedPod, ROUTER } from './plan.ts';

// Lines of a shell that make the lab's networks, in the lab's mount namespace. What waits for nothing at run time: addresses are not
// checked for duplicates, and bridges forward at once.

const BRIDGE = 'cni0';
export const UPLINK = 'eth0';
const TUNNEL = 'flannel.1';
const TUNNEL_PORT = 8472;
const LENGTH = { ipv4: 32, ipv6: 128 } as const;
/** As Calico does it: every pod sees the same neighbour. */
const ROUTED_MAC = 'ee:ee:ee:ee:ee:ee';

export const OUTSIDE_NAME = 'outside';

/** A namespace that is the router in the middle, and the world. */
export function outsideScript(): readonly string[] {
  const outside = inside(OUTSIDE_NAME);
  const loopback = OUTSIDE.flatMap((addresses) => FAMILIES.map((family) => outside(family, `address add ${addresses[family]} dev lo`)));
  return [
    ...namespaceScript(OUTSIDE_NAME, { forwards: true }),
    ...bridgeScript(OUTSIDE_NAME, 'br0', '02:88:00:00:00:01'),
    ...FAMILIES.map((family) => outside(family, `address add ${ROUTER[family]}/${lengthOf(NODE_NETWORK[family])} dev br0`)),
    ...loopback,
    ...FAMILIES.map((family) => outside(family, `route add ${NODE_NETWORK[family]} dev br0 metric 1 ${worldSource(family)}`)),
    outside('ipv4', `route delete ${NODE_NETWORK.ipv4} dev br0 proto kernel`),
  ];
}

export function nodeScript(network: Network, node: PlannedNode): readonly string[] {
  const own = inside(node.name);
  const outside = inside(OUTSIDE_NAME);
  return [
    ...namespaceScript(node.name, { forwards: true }),
    outside('ipv4', `link add ${node.name} type veth peer name ${UPLINK} netns ${node.name}`),
    outside('ipv4', `link set ${node.name} master br0 up`),
    own('ipv4', `link set ${UPLINK} up`),
    ...FAMILIES.flatMap((family) => [
      own(family, `address add ${node.addresses[family]}/${lengthOf(NODE_NETWORK[family])} dev ${UPLINK}`),
      own(family, `route add default via ${ROUTER[family]}`),
      outside(family, `route add ${node.pods[family]} via ${node.addresses[family]} ${worldSource(family)}`),
    ]),
    ...(network === 'routed' ? [] : podBridgeScript(node, MTU[network])),
    ...(network === 'vxlan' ? tunnelScript(node) : []),
  ];
}

/** Leads packets for pods of one node from another to it. */
export function betweenNodesScript(network: Network, from: PlannedNode, to: PlannedNode): readonly string[] {
  const own = inside(from.name);
  if (network !== 'vxlan') return FAMILIES.map((family) => own(family, `route add ${to.pods[family]} via ${to.addresses[family]}`));
  return [
    ...FAMILIES.flatMap((family) => [
      own(family, `neighbour add ${tunnelAddress(to, family)} lladdr ${tunnelMac(to)} dev ${TUNNEL}`),
      own(family, `route add ${to.pods[family]} via ${tunnelAddress(to, family)} dev ${TUNNEL} onlink`),
    ]),
    `bridge -n ${from.name} fdb append ${tunnelMac(to)} dev ${TUNNEL} dst ${to.addresses.ipv4}`,
  ];
}

/** Makes a pod's namespace and its link to the node. */
export function podScript(network: Network, { name, node, addresses, mac, device }: PlannedPod): readonly string[] {
  if (device === undefined) return [];
  const own = inside(name);
  const host = inside(node.name);
  const isRouted = network === 'routed';
  const lengths = isRouted ? LENGTH : { ipv4: lengthOf(node.pods.ipv4), ipv6: lengthOf(node.pods.ipv6) };
  return [
    ...namespaceScript(name, { forwards: false }),
    host('ipv4', `link add ${device} mtu ${MTU[network]} type veth peer name ${UPLINK} address ${mac} mtu ${MTU[network]} netns ${name}`),
    ...(isRouted ? routedDeviceScript(node, device) : bridgedDeviceScript(node, device)),
    own('ipv4', `link set ${UPLINK} up`),
    ...FAMILIES.map((family) => own(family, `address add ${addresses[family]}/${lengths[family]} dev ${UPLINK}`)),
    ...(isRouted ? [own('ipv4', `route add ${node.gateway.ipv4} dev ${UPLINK} scope link`)] : []),
    ...FAMILIES.map((family) => own(family, `route add default via ${node.gateway[family]} dev ${UPLINK}`)),
    ...(isRouted ? FAMILIES.map((family) => host(family, `route add ${addresses[family]} dev ${device}`)) : []),
  ];
}

export function podRemovalScript({ name, node, device }: PlannedPod): readonly string[] {
  if (device === undefined) return [];
  return [`ip -n ${node.name} link delete ${device}`, `ip netns delete ${name}`];
}

/** Of what ICMP told a node or a pod. */
export function forgetPathsScript(namespace: string): readonly string[] {
  return FAMILIES.map((family) => inside(namespace)(family, 'route flush cache'));
}

/** Has the node know that its link to the pod takes no more bytes than these; nobody else knows. */
export function narrowScript(network: Network, { node, addresses, device }: PlannedPod, mtu: number): readonly string[] {
  const host = inside(node.name);
  const link = network === 'routed' ? device : BRIDGE;
  if (device === undefined) return [];
  return FAMILIES.map((family) => host(family, `route replace ${addresses[family]} dev ${link} mtu ${mtu}`));
}

function namespaceScript(name: string, { forwards }: { readonly forwards: boolean }): readonly string[] {
  const settings = [
    ['ipv4/ping_group_range', '0 2147483647'],
    ['ipv6/conf/all/accept_dad', '0'],
    ['ipv6/conf/default/accept_dad', '0'],
    ...(forwards
      ? [
          ['ipv4/ip_forward', '1'],
          ['ipv6/conf/all/forwarding', '1'],
          ['ipv4/conf/all/rp_filter', '0'],
          ['ipv4/conf/default/rp_filter', '0'],
        ]
      : []),
  ];
  const writes = settings.map(([key, value]) => `echo ${value} > /proc/sys/net/${key}`);
  return [`ip netns add ${name}`, inNetwork(name, ...writes, 'ip link set lo up')];
}

function bridgeScript(namespace: string, bridge: string, mac: string): readonly string[] {
  const own = inside(namespace);
  return [
    own('ipv4', `link add ${bridge} address ${mac} type bridge mcast_snooping 0 forward_delay 0`),
    own('ipv4', `link set ${bridge} up`),
  ];
}

function podBridgeScript(node: PlannedNode, mtu: number): readonly string[] {
  const own = inside(node.name);
  return [
    ...bridgeScript(node.name, BRIDGE, `02:44:00:00:00:0${node.index}`),
    own('ipv4', `link set ${BRIDGE} mtu ${mtu}`),
    ...FAMILIES.map((family) => own(family, `address add ${node.gateway[family]}/${lengthOf(node.pods[family])} dev ${BRIDGE}`)),
  ];
}

/** As flannel does it: no learning and no multicast, each node is told of the others. */
function tunnelScript(node: PlannedNode): readonly string[] {
  const own = inside(node.name);
  const options = `id 1 local ${node.addresses.ipv4} dev ${UPLINK} dstport ${TUNNEL_PORT} nolearning`;
  return [
    own('ipv4', `link add ${TUNNEL} address ${tunnelMac(node)} type vxlan ${options}`),
    own('ipv4', `link set ${TUNNEL} up`),
    ...FAMILIES.map((family) => own(family, `address add ${tunnelAddress(node, family)}/${LENGTH[family]} dev ${TUNNEL}`)),
  ];
}

function routedDeviceScript(node: PlannedNode, device: string): readonly string[] {
  const host = inside(node.name);
  return [
    inNetwork(node.name, `echo 1 > /proc/sys/net/ipv4/conf/${device}/proxy_arp`, `echo 0 > /proc/sys/net/ipv4/neigh/${device}/proxy_delay`),
    host('ipv4', `link set ${device} address ${ROUTED_MAC} up`),
    host('ipv6', `address add ${node.gateway.ipv6}/64 dev ${device}`),
  ];
}

/** As flannel does it: a pod may be led to itself, as the one behind a Service that it asks. */
function bridgedDeviceScript(node: PlannedNode, device: string): readonly string[] {
  const host = inside(node.name);
  return [host('ipv4', `link set ${device} master ${BRIDGE} up`), host('ipv4', `link set ${device} type bridge_slave hairpin on`)];
}

/** Its packets bear an address that is nobody's in the cluster, not that of the router. */
function worldSource(family: Family): string {
  return `src ${OUTSIDE[0][family]}`;
}

function tunnelAddress(node: PlannedNode, family: Family): string {
  return node.pods[family].replace(/\/.*/, '');
}

function tunnelMac(node: PlannedNode): string {
  return `02:58:00:00:00:0${node.index}`;
}

function lengthOf(prefix: string): number {
  return Number(prefix.split('/')[1]);
}

function inside(namespace: string): (family: Family, command: string) => string {
  return (family, command) => {
    // Also where nothing is checked, a new address of IPv6 is not one before a worker of the kernel has said so.
    const suffix = family === 'ipv6' && command.startsWith('address add') ? ' nodad' : '';
    return `ip -n ${namespace}${family === 'ipv6' ? ' -6' : ''} ${command}${suffix}`;
  };
}

function inNetwork(namespace: string, ...commands: readonly string[]): string {
  return `ip netns exec ${namespace} sh -ec '${commands.join('; ')}'`;
}
