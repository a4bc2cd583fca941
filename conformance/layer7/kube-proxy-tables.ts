import { FAMILIES, type Family, type NetnsLab, POD_NETWORK } from '../lab/netns/index.ts';

// What kube-proxy has the kernel do for Services with a ClusterIP, in the words of nft. What its iptables mode makes is the same to the kernel as what
// iptables-nft makes of it.

export const KUBE_PROXY_MODES = ['iptables', 'nftables'] as const;
export type KubeProxyMode = (typeof KUBE_PROXY_MODES)[number];

export interface ProxiedService {
  readonly name: string;
  readonly clusterAddresses: Readonly<Record<Family, string>>;
  readonly port: number;
  readonly backend: Readonly<Record<Family, string>>;
}

export const SERVICE_NETWORK: Readonly<Record<Family, string>> = { ipv4: '10.96.0.0/16', ipv6: 'fd00:96::/112' };

/** A Service at port 80 for each of these pods, in this order the same at any time. */
export function proxiedServices(lab: NetnsLab, ...pods: readonly string[]): readonly ProxiedService[] {
  return pods.map((name, index) => {
    const clusterAddresses = { ipv4: `10.96.0.${10 + index}`, ipv6: `fd00:96::${10 + index}` };
    return { name, clusterAddresses, port: 80, backend: lab.pod(name).addresses };
  });
}

/** Has all nodes do what kube-proxy would have them do for these, and nothing for any others. */
export async function proxyServices(lab: NetnsLab, mode: KubeProxyMode, services: readonly ProxiedService[]): Promise<void> {
  await Promise.all(lab.nodes.map((node) => node.run(['nft', '-f', '-'], kubeProxyTables(mode, services))));
}

/** By which kube-proxy knows what it is to masquerade. */
const MASQUERADE = '0x4000';

interface Words {
  readonly ip: 'ip' | 'ip6';
  /** All that has an address of the cluster. */
  readonly pods: string;
  readonly target: (address: string, port: number) => string;
}

const WORDS: Readonly<Record<Family, Words>> = {
  ipv4: { ip: 'ip', pods: POD_NETWORK.ipv4, target: (address, port) => `${address}:${port}` },
  ipv6: { ip: 'ip6', pods: POD_NETWORK.ipv6, target: (address, port) => `[${address}]:${port}` },
};

/**
 * For `nft -f`, in place of those before.
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/iptables/proxier.go
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/nftables/README.md
 */
function kubeProxyTables(mode: KubeProxyMode, services: readonly ProxiedService[]): string {
  const others = FAMILIES.flatMap((family) => ['nat', 'filter', 'kube-proxy'].map((table) => `${WORDS[family].ip} ${table}`));
  const removed = others.flatMap((table) => [`table ${table} {}`, `delete table ${table}`]);
  const made = FAMILIES.map((family) => (mode === 'iptables' ? iptablesTables : nftablesTable)(WORDS[family], family, services));
  return [...removed, ...made].join('\n');
}

function iptablesTables({ ip, pods, target }: Words, family: Family, services: readonly ProxiedService[]): string {
  const chains = services.map(({ name, clusterAddresses, port, backend }) => {
    return `chain KUBE-SEP-${name} {
    ${ip} saddr ${backend[family]} jump KUBE-MARK-MASQ
    meta l4proto tcp dnat to ${target(backend[family], port)}
  }
  chain KUBE-SVC-${name} {
    ${ip} saddr != ${pods} ${ip} daddr ${clusterAddresses[family]} tcp dport ${port} jump KUBE-MARK-MASQ
    jump KUBE-SEP-${name}
  }`;
  });
  const jumps = services.map(
    ({ name, clusterAddresses, port }) => `${ip} daddr ${clusterAddresses[family]} tcp dport ${port} jump KUBE-SVC-${name}`,
  );
  return `table ${ip} nat {
  chain KUBE-MARK-MASQ { meta mark set meta mark or ${MASQUERADE}; }
  ${chains.join('\n  ')}
  chain KUBE-SERVICES {
    ${jumps.join('\n    ')}
  }
  chain KUBE-POSTROUTING {
    meta mark and ${MASQUERADE} != ${MASQUERADE} return
    meta mark set meta mark xor ${MASQUERADE}
    masquerade fully-random
  }
  chain PREROUTING { type nat hook prerouting priority dstnat; jump KUBE-SERVICES; }
  chain OUTPUT { type nat hook output priority -100; jump KUBE-SERVICES; }
  chain POSTROUTING { type nat hook postrouting priority srcnat; jump KUBE-POSTROUTING; }
}
table ${ip} filter {
  chain KUBE-FORWARD {
    ct state invalid drop
    meta mark and ${MASQUERADE} == ${MASQUERADE} accept
    ct state related,established accept
  }
  chain FORWARD { type filter hook forward priority filter; jump KUBE-FORWARD; }
}`;
}

function nftablesTable({ ip, pods, target }: Words, family: Family, services: readonly ProxiedService[]): string {
  const chains = services.map(({ name, clusterAddresses, port, backend }) => {
    return `chain endpoint-${name} {
    ${ip} saddr ${backend[family]} jump mark-for-masquerade
    meta l4proto tcp dnat to ${target(backend[family], port)}
  }
  chain service-${name} {
    ${ip} daddr ${clusterAddresses[family]} tcp dport ${port} ${ip} saddr != ${pods} jump mark-for-masquerade
    numgen random mod 1 vmap { 0 : goto endpoint-${name} }
  }`;
  });
  const elements = services.map(({ name, clusterAddresses, port }) => `${clusterAddresses[family]} . tcp . ${port} : goto service-${name}`);
  const addresses = services.map(({ clusterAddresses }) => clusterAddresses[family]);
  return `table ${ip} kube-proxy {
  set cluster-ips { type ${family}_addr; elements = { ${addresses.join(', ')} }; }
  chain mark-for-masquerade { meta mark set meta mark or ${MASQUERADE}; }
  chain masquerading {
    meta mark and ${MASQUERADE} == 0 return
    meta mark set meta mark xor ${MASQUERADE}
    masquerade fully-random
  }
  ${chains.join('\n  ')}
  map service-ips { type ${family}_addr . inet_proto . inet_service : verdict; elements = { ${elements.join(', ')} }; }
  chain services { ${ip} daddr . meta l4proto . th dport vmap @service-ips; }
  chain cluster-ips-check { ${ip} daddr @cluster-ips reject; }
  chain filter-forward {
    type filter hook forward priority -110;
    ct state invalid drop
    ct state new jump cluster-ips-check
  }
  chain filter-output-post-dnat { type filter hook output priority -90; ct state new jump cluster-ips-check; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
}`;
}
