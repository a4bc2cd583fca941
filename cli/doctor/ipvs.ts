import { BlockList, isIPv6 } from 'node:net';
import { someOf } from '../text/some-of.ts';
import { type CheckResult, failed, ok, warning } from './check.ts';
import type { MachineFacts } from './machine.ts';

/** Where a Service is reached by TCP. */
interface Place {
  readonly address: string;
  readonly port: number;
}

/** kube-proxy has it hold the addresses of all Services. */
const KUBE_PROXY_DEVICE = 'kube-ipvs0';
/** `TCP  0A600001:01BB rr`, `TCP  [fd00:0096:0000:0000:0000:0000:0000:0001]:01BB rr`; what leads to servers is indented. */
const VIRTUAL_SERVICE = /^TCP +(?:([0-9A-F]{8})|\[([0-9a-f:]+)\]):([0-9A-F]{4}) /;
const SHOWN = 3;
const TODO =
  'give kube-proxy another mode, nftables, which also takes away what ipvs left: kubectl -n kube-system edit configmap kube-proxy, then kubectl -n kube-system rollout restart daemonset kube-proxy';

/**
 * Whether IPVS has Services of this network. It takes packets for them just before they reach a socket, also those that are for a listener of a
 * CiliumEnvoyConfig.
 * @param taken where listeners of configs take Services
 */
export function checkIpvs({ read }: Pick<MachineFacts, 'read'>, taken: () => readonly Place[]): CheckResult {
  const isKubeProxy = (read('/proc/net/dev') ?? '').split('\n').some((line) => line.trimStart().startsWith(`${KUBE_PROXY_DEVICE}:`));
  const places = (read('/proc/net/ip_vs') ?? '').split('\n').flatMap(readPlace);
  if (!isKubeProxy && places.length === 0) return ok('ipvs', 'IPVS has no Services');
  const lost = taken().filter((place) => places.some((other) => isSame(place, other)));
  if (lost.length > 0) {
    const named = someOf(lost.map(nameOf), SHOWN);
    return failed('ipvs', `IPVS has ${named}, which listeners of CiliumEnvoyConfigs are to take: what pods ask of them is dropped`, TODO);
  }
  const found = isKubeProxy ? 'kube-proxy is in mode ipvs, or left its device' : `IPVS has ${places.length} Services of TCP`;
  return warning('ipvs', found, `Services of CiliumEnvoyConfigs will need this: ${TODO}`);
}

function readPlace(line: string): readonly Place[] {
  const [, ipv4, ipv6, port] = VIRTUAL_SERVICE.exec(line) ?? [];
  const address = ipv6 ?? ipv4?.replace(/../g, (byte) => `${Number.parseInt(byte, 16)}.`).slice(0, -1);
  return address === undefined || port === undefined ? [] : [{ address, port: Number.parseInt(port, 16) }];
}

function isSame(a: Place, b: Place): boolean {
  const family = isIPv6(a.address) ? 'ipv6' : 'ipv4';
  if (a.port !== b.port || isIPv6(b.address) !== isIPv6(a.address)) return false;
  const only = new BlockList();
  only.addAddress(a.address, family);
  return only.check(b.address, family);
}

function nameOf({ address, port }: Place): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
