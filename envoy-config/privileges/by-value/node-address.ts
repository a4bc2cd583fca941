import { BlockList, isIP } from 'node:net';

const OF_NODE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const) {
  OF_NODE.addSubnet(network, prefix, 'ipv4');
}
// The first holds ::, ::1, and IPv4 addresses as IPv6 once wrote them.
OF_NODE.addSubnet('::', 96, 'ipv6');
OF_NODE.addSubnet('fe80::', 10, 'ipv6');

const NAMES = /^(localhost|localhost\.localdomain|ip6-localhost|ip6-loopback|.*\.localhost)$/;

/**
 * Whether an address, or a name that says it by itself, means the machine that asks or what only its own link has: loopback, unspecified and
 * link-local addresses (clouds' metadata), in all their spellings. What other names resolve to is not known here.
 */
export function isOfNode(host: string): boolean {
  const spelled = canonical(host);
  const family = isIP(spelled);
  if (family === 0) return NAMES.test(spelled);
  return OF_NODE.check(spelled, family === 4 ? 'ipv4' : 'ipv6');
}

/** Resolvers take 127.1, 0x7f000001 and 2130706433 for addresses, as URLs do. */
function canonical(host: string): string {
  const [address = ''] = host.split('%');
  if (isIP(address) !== 0) return address;
  const parsed = URL.parse(`http://${host}/`)?.hostname ?? host;
  return parsed.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}
