import type { ServicePortTranslation } from '../model/index.ts';

/**
 * The rules that kube-proxy's nftables mode has for Services: a map of verdicts from address, protocol and port to the chain of a
 * Service, which draws one of the chains of its endpoints. Without those of node ports and firewalls, which are empty here.
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/nftables/README.md
 */
export function kubeProxyRules(services: readonly ServicePortTranslation[]): string {
  const chains = services.flatMap(({ name, frontends, backends }) => {
    const service = chainName('service', name);
    const [frontend] = frontends;
    if (!frontend) return [];
    const endpoints = backends.map(({ address, port }) => ({
      address,
      port,
      chain: chainName(`endpoint-${address.replaceAll('.', '_')}-${port}`, name),
    }));
    const draws = endpoints.map(({ chain }, index) => `${index} : goto ${chain}`).join(', ');
    return [
      `chain ${service} {
  ip daddr ${frontend.address} tcp dport ${frontend.port} ip saddr != 10.0.0.0/8 jump mark-for-masquerade
  numgen random mod ${endpoints.length} vmap { ${draws} }
}`,
      ...endpoints.map(
        ({ address, port, chain }) => `chain ${chain} {
  ip saddr ${address} jump mark-for-masquerade
  meta l4proto tcp dnat to ${address}:${port}
}`,
      ),
    ];
  });
  const elements = services.flatMap(({ name, frontends }) =>
    frontends.map(({ address, port }) => `${address} . tcp . ${port} : goto ${chainName('service', name)}`),
  );
  const clusterIps = services.flatMap(({ frontends }) => frontends.map(({ address }) => address));
  return `table ip kube-proxy {
set cluster-ips { type ipv4_addr; elements = { ${clusterIps.join(', ')} } }
set nodeport-ips { type ipv4_addr; }
map service-nodeports { type inet_proto . inet_service : verdict; }
map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
chain masquerading {
  meta mark & 0x4000 == 0 return
  meta mark set meta mark ^ 0x4000
  masquerade fully-random
}
${chains.join('\n')}
map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { ${elements.join(', ')} } }
chain services {
  ip daddr . meta l4proto . th dport vmap @service-ips
  ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
}
chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
chain cluster-ips-check { ip daddr @cluster-ips reject; }
chain filter-output {
  type filter hook output priority -110; policy accept;
  ct state new jump service-endpoints-check
  ct state new jump firewall-check
}
chain filter-output-post-dnat {
  type filter hook output priority -90; policy accept;
  ct state new jump cluster-ips-check
}
chain nat-output { type nat hook output priority -100; policy accept; jump services; }
chain nat-postrouting { type nat hook postrouting priority 100; policy accept; jump masquerading; }
}
`;
}

function chainName(kind: string, name: string): string {
  return `${kind}-${name.replaceAll(/[^a-z0-9]/gi, '_')}`;
}
