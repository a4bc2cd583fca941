import { NetlinkError, type NetworkLink, type RouteNetlink } from '../netlink/index.ts';
import type { DeviceCandidate } from './match-devices.ts';

interface Known {
  readonly peer: number;
  readonly candidate: DeviceCandidate;
}

/** What is at the other ends of veths, asked for once each: a question takes longer than all else, and a node has hundreds of pods. */
export class InsideNamespaces {
  readonly #netlink: RouteNetlink;
  readonly #known = new Map<number, Known>();

  constructor(netlink: RouteNetlink) {
    this.#netlink = netlink;
  }

  /** Asks for what is not known, and forgets links that are gone. */
  candidates(links: readonly NetworkLink[]): readonly DeviceCandidate[] {
    const there = new Set(links.map(({ index }) => index));
    for (const index of this.#known.keys()) if (!there.has(index)) this.#known.delete(index);
    return links.map((link) => this.#candidateOf(link)).filter((candidate) => candidate !== undefined);
  }

  /** Asks again for what is in a namespace. */
  forgetNamespace(namespace: number): void {
    for (const [index, known] of this.#known) if (known.candidate.namespace === namespace) this.#known.delete(index);
  }

  /** Asks again for all but these. */
  forgetOthers(found: ReadonlySet<number>): void {
    for (const index of this.#known.keys()) if (!found.has(index)) this.#known.delete(index);
  }

  forgetDevice(ifindex: number): void {
    this.#known.delete(ifindex);
  }

  forgetAll(): void {
    this.#known.clear();
  }

  #candidateOf({ index, name, kind, lowerIndex: peer, lowerNamespace: namespace }: NetworkLink): DeviceCandidate | undefined {
    if (kind !== 'veth' || peer === undefined || namespace === undefined) return undefined;
    const known = this.#known.get(index);
    if (known?.peer === peer && known.candidate.namespace === namespace && known.candidate.name === name) return known.candidate;
    const inside = this.#ask(namespace, peer);
    if (inside === undefined) return undefined;
    const candidate = { ifindex: index, name, namespace, ...inside };
    this.#known.set(index, { peer, candidate });
    return candidate;
  }

  /** Undefined where the namespace has gone meanwhile. */
  #ask(namespace: number, peer: number): Pick<DeviceCandidate, 'mac' | 'addresses'> | undefined {
    try {
      const addresses = this.#netlink.addresses({ namespace }).filter(({ index }) => index === peer);
      const mac = this.#netlink.links({ namespace }).find(({ index }) => index === peer)?.mac;
      return { mac, addresses: addresses.map(({ address }) => address).sort() };
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'refused' && error.errnoName === 'EINVAL') return undefined;
      throw error;
    }
  }
}
