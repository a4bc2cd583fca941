import { FAMILIES, type Family, NODE_NETWORK, type PlannedNode, POD_NETWORK } from './plan.ts';

export interface Masquerading {
  /** Pods have their node's address when they talk to what is neither pod nor node, as most CNIs do it. */
  readonly toOutside?: boolean;
  /** Who comes from outside has an address of the pod's node, as kube-proxy does it for NodePorts. */
  readonly fromOutside?: boolean;
  /** Ports of every address of the node that lead to a pod, as NodePorts do. */
  readonly nodePorts?: readonly NodePort[];
}

export interface NodePort {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** An address of the pod, whose family decides, and its port. */
  readonly address: string;
  readonly targetPort: number;
}

const WORDS = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** Rules for `nft -f` that replace those before them. */
export function masqueradingRules(node: PlannedNode, masquerading: Masquerading): string {
  return FAMILIES.map((family) => tableOf(family, node, masquerading)).join('\n');
}

function tableOf(family: Family, node: PlannedNode, { toOutside, fromOutside, nodePorts = [] }: Masquerading): string {
  const word = WORDS[family];
  const inner = `{ ${POD_NETWORK[family]}, ${NODE_NETWORK[family]} }`;
  const pods = node.pods[family];
  const ofFamily = nodePorts.filter(({ address }) => address.includes(':') === (family === 'ipv6'));
  const translations = ofFamily.map(({ port, protocol, address, targetPort }) => {
    const target = family === 'ipv6' ? `[${address}]` : address;
    return `fib daddr type local ${protocol.toLowerCase()} dport ${port} dnat to ${target}:${targetPort}`;
  });
  return `table ${word} lab
delete table ${word} lab
table ${word} lab {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ${translations.join('\n    ')}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ${toOutside ? `${word} saddr ${pods} ${word} daddr != ${inner} masquerade` : ''}
    ${fromOutside ? `${word} saddr != ${inner} ${word} daddr ${POD_NETWORK[family]} masquerade` : ''}
  }
}`;
}
