import { type LinkState, NetlinkError, type RouteEditor } from '../netlink/index.ts';
import { SteeringNetworkError } from './network-error.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';

/** The device at which packets for Envoy come in again. */
export const STEERING_DEVICE = 'steer0';
/** Its other end: what Envoy's own sockets send to a slot leaves by it. */
export const STEERING_ENTRY = 'steer1';
/** The most that the kernel allows: packets are put in at whatever size they came. */
const MTU = 65_535;

/** A pair of devices that leads nowhere else: what comes to it was put there by the kernel's programs, or is what Envoy sends to itself. */
export class SteeringDevice implements NetworkPart {
  readonly #editor: RouteEditor;
  readonly #settings: NetworkPart;

  /** @param settings of the device, which it has before it is up: it would have an address by then */
  constructor(editor: RouteEditor, settings: NetworkPart) {
    this.#editor = editor;
    this.#settings = settings;
  }

  /** Undefined where it is not there. @throws NetlinkError */
  get ifindex(): number | undefined {
    return this.#editor.findLink(STEERING_DEVICE)?.index;
  }

  /** Of its other end. @throws NetlinkError */
  get entryIfindex(): number | undefined {
    return this.#editor.findLink(STEERING_ENTRY)?.index;
  }

  items(): readonly NetworkItem[] {
    const [device, peer] = this.#find();
    const pair = [describe(STEERING_DEVICE, STEERING_ENTRY, device, peer), describe(STEERING_ENTRY, STEERING_DEVICE, peer, device)];
    return [...pair, ...this.#settings.items()];
  }

  make(): void {
    let [device, peer] = this.#find();
    for (const link of [device, peer]) refuseOthers(link);
    if (device === undefined || peer === undefined || !arePair(device, peer)) {
      if (device !== undefined) this.#editor.deleteLink(device.index);
      // It went with the other if they were a pair.
      const left = this.#editor.findLink(STEERING_ENTRY);
      if (left !== undefined) this.#editor.deleteLink(left.index);
      this.#editor.addVeth(STEERING_DEVICE, STEERING_ENTRY, MTU);
      [device, peer] = this.#find();
    }
    this.#settings.make();
    for (const link of [peer, device]) if (link !== undefined && !isReady(link)) this.#editor.bringUp(link.index, MTU);
  }

  remove(): readonly string[] {
    const [device, peer] = this.#find();
    if (device === undefined || peer === undefined || !arePair(device, peer)) return [];
    try {
      this.#editor.deleteLink(device.index);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errnoName !== 'ENODEV') throw error;
    }
    return [`removed the devices ${STEERING_DEVICE} and ${STEERING_ENTRY}`];
  }

  #find(): [device: LinkState | undefined, peer: LinkState | undefined] {
    return [this.#editor.findLink(STEERING_DEVICE), this.#editor.findLink(STEERING_ENTRY)];
  }
}

function refuseOthers(link: LinkState | undefined): void {
  if (link === undefined || link.kind === 'veth') return;
  const what = link.kind ?? 'another device';
  throw new SteeringNetworkError('name-taken', `${link.name} is ${what} of somebody else: remove or rename it, that name is Sluice's`);
}

function arePair(device: LinkState, peer: LinkState): boolean {
  return device.kind === 'veth' && device.lowerNamespace === undefined && device.lowerIndex === peer.index;
}

function isReady({ isUp, usesArp, mtu }: LinkState): boolean {
  return isUp && !usesArp && mtu === MTU;
}

function describe(name: string, otherName: string, link: LinkState | undefined, other: LinkState | undefined): NetworkItem {
  const text = (kind: string, isPair: boolean, isUp: boolean, usesArp: boolean, mtu: number) =>
    `${kind}${isPair ? ` with ${otherName}` : ''}, ${isUp ? 'up' : 'down'}, ${usesArp ? 'ARP' : 'no ARP'}, MTU ${mtu}`;
  const isPair = link !== undefined && other !== undefined && arePair(link, other);
  const found = link && text(link.kind ?? 'device', isPair, link.isUp, link.usesArp, link.mtu);
  return { kind: 'device', name, wanted: text('veth', true, true, false, MTU), found };
}
