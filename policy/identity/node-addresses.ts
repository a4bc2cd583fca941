import type { Node } from '../../kube/index.ts';
import { type Prefix, parseAddress, parsePrefix } from '../addresses/prefix.ts';

const FLANNEL = 'flannel.alpha.coreos.com/';
const CALICO = 'projectcalico.org/';

/**
 * All by which a node is known to send: what it says itself, and what network plugins have written to it. To masquerade is to take the
 * address of the device that a packet leaves by, which may be a tunnel's or a bridge's and lie in the network of the pods.
 */
export function nodeAddressesOf({ metadata: { annotations }, spec, status }: Node): Prefix[] {
  const told = Object.entries(annotations).flatMap(([name, value]) => {
    if (name === `${FLANNEL}backend-type`) return [];
    // Calico writes some with the length of their network.
    return name.startsWith(FLANNEL) || name.startsWith(CALICO) ? [value.split('/')[0] ?? ''] : [];
  });
  const own = [...status.addresses.map(({ address }) => address), ...told].flatMap((text) => parseAddress(text) ?? []);
  return annotations[`${FLANNEL}backend-type`] === undefined ? own : [...own, ...spec.podCIDRs.flatMap(flannelAddresses)];
}

/** Of its tunnel the first address of the network, and of its bridge the second; no pod is given one of these. */
function flannelAddresses(podNetwork: string): Prefix[] {
  const network = parsePrefix(podNetwork);
  const length = network?.family === 4 ? 32 : 128;
  if (!network || network.length > length - 2) return [];
  return [0n, 1n].map((offset) => ({ ...network, bits: network.bits + offset, length }));
}
