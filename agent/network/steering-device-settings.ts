import type { RouteEditor, RouteNetlink } from '../netlink/index.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';
import { STEERING_DEVICE, STEERING_ENTRY } from './steering-device.ts';
import type { Sysctls } from './sysctls.ts';

/** The address of IPv4 that is nobody's: https://www.rfc-editor.org/rfc/rfc7600#section-4.8 */
const DUMMY_ADDRESS = '192.0.0.8';

/**
 * What packets with anybody's addresses need to come in at the device. Where the machine checks where packets come from for all devices, so that
 * no device can be without, the mildest check takes its place, for which the device needs an address.
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 */
export function deviceSettings(sysctls: Sysctls): Readonly<Record<string, string>> {
  const own = `ipv4/conf/${STEERING_DEVICE}`;
  const ofIpv4 = { [`${own}/accept_local`]: '1', [`${own}/rp_filter`]: checksSources(sysctls) ? '2' : '0', [`${own}/src_valid_mark`]: '0' };
  if (!sysctls.hasIpv6()) return ofIpv4;
  // They have no address, so they ask nobody for one.
  const ofIpv6 = [STEERING_DEVICE, STEERING_ENTRY].flatMap((device) => [
    [`ipv6/conf/${device}/addr_gen_mode`, '1'],
    [`ipv6/conf/${device}/accept_ra`, '0'],
    [`ipv6/conf/${device}/disable_ipv6`, '0'],
  ]);
  return { ...ofIpv4, ...Object.fromEntries(ofIpv6) };
}

/** The device's address, where it needs one. */
export class SteeringAddress implements NetworkPart {
  readonly #sysctls: Sysctls;
  readonly #editor: RouteEditor;
  readonly #netlink: RouteNetlink;

  constructor(sysctls: Sysctls, editor: RouteEditor, netlink: RouteNetlink) {
    this.#sysctls = sysctls;
    this.#editor = editor;
    this.#netlink = netlink;
  }

  items(): readonly NetworkItem[] {
    if (!checksSources(this.#sysctls)) return [];
    const wanted = `${DUMMY_ADDRESS}/32`;
    return [{ kind: 'address', name: `address of ${STEERING_DEVICE}`, wanted, found: this.#isThere() ? wanted : undefined }];
  }

  make(): void {
    const ifindex = this.#editor.findLink(STEERING_DEVICE)?.index;
    if (ifindex !== undefined && checksSources(this.#sysctls) && !this.#isThere()) this.#editor.addHostAddress(ifindex, DUMMY_ADDRESS);
  }

  /** It goes with the device. */
  remove(): readonly string[] {
    return [];
  }

  #isThere(): boolean {
    const ifindex = this.#editor.findLink(STEERING_DEVICE)?.index;
    return this.#netlink.addresses().some((each) => each.index === ifindex && each.address === DUMMY_ADDRESS);
  }
}

function checksSources(sysctls: Sysctls): boolean {
  return sysctls.read('ipv4/conf/all/rp_filter') !== '0';
}
