import { sh, type TestPod } from './pod-network.ts';

/** Of the node on the bridge. */
export const BRIDGE_ADDRESSES = ['10.0.1.254', 'fd00:1::fe'] as const;
const BRIDGE = 'cni0';

/** Makes ports of a bridge of pods that were routed to, as a network plugin with a bridge does, with Netfilter seeing what is bridged where the kernel can. @param beyond who is not on it */
export function joinByBridge(pods: readonly TestPod[], beyond: TestPod): void {
  const [ipv4, ipv6] = BRIDGE_ADDRESSES;
  sh(`ip link add ${BRIDGE} type bridge
    ip link set ${BRIDGE} up
    ip address add ${ipv4}/24 dev ${BRIDGE}; ip address add ${ipv6}/64 dev ${BRIDGE} nodad
    [ ! -d /proc/sys/net/bridge ] || for each in iptables ip6tables; do echo 1 > /proc/sys/net/bridge/bridge-nf-call-$each; done`);
  for (const { name, addresses, enter } of pods) {
    sh(`ip route delete ${addresses[0]} dev ${name}; ip route delete ${addresses[1]} dev ${name}
      ip address flush dev ${name}
      ip link set ${name} master ${BRIDGE}`);
    sh(`${enter.join(' ')} sh -ec '
      ip address flush dev eth0
      ip address add ${addresses[0]}/24 dev eth0; ip address add ${addresses[1]}/64 dev eth0 nodad
      for each in default ${beyond.addresses[0]}; do ip route replace $each via ${ipv4}; done
      for each in default ${beyond.addresses[1]}; do ip -6 route replace $each via ${ipv6}; done'`);
  }
}
