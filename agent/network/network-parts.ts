import { Netfilter, RouteEditor, RouteNetlink } from '../netlink/index.ts';
import type { NetworkItem, NetworkPart } from './network-item.ts';
import { DeviceSysctls, NodeSysctls } from './node-sysctls.ts';
import { Remembered } from './remembered.ts';
import { SteeringDevice } from './steering-device.ts';
import { deviceSettings, SteeringAddress } from './steering-device-settings.ts';
import { SteeringRoutes } from './steering-routes.ts';
import { type PortRange, SteeringTable } from './steering-table.ts';
import { Sysctls } from './sysctls.ts';

export interface NetworkPartsOptions {
  /** Not needed by who only looks. */
  readonly stateFolder?: string;
  readonly proxyPorts: PortRange;
  readonly sysctlFolder?: string;
}

/** What there must be, in the order in which it is made; it is removed in the other. */
export class NetworkParts implements Disposable {
  readonly device: SteeringDevice;
  readonly #resources = new DisposableStack();
  readonly #remembered: Remembered;
  readonly #all: readonly NetworkPart[];

  /** @throws NetlinkError `unavailable` */
  constructor(options: NetworkPartsOptions) {
    using unfinished = new DisposableStack();
    const editor = unfinished.use(RouteEditor.open());
    const netlink = unfinished.use(RouteNetlink.open());
    const netfilter = unfinished.use(Netfilter.open());
    const sysctls = new Sysctls(options.sysctlFolder);
    this.#remembered = new Remembered(options.stateFolder);
    this.device = new SteeringDevice(editor, new DeviceSysctls(sysctls, () => deviceSettings(sysctls)));
    this.#all = [
      new NodeSysctls(sysctls, this.#remembered, options.proxyPorts),
      this.device,
      new SteeringAddress(sysctls, editor, netlink),
      new SteeringTable(netfilter, options.proxyPorts),
      new SteeringRoutes(sysctls, editor),
    ];
    this.#resources.use(unfinished.move());
  }

  /** @throws NetlinkError */
  items(): readonly NetworkItem[] {
    return this.#all.flatMap((part) => part.items());
  }

  /** Remembers what was before and is none of ours. @throws NetlinkError, SteeringNetworkError */
  make(): void {
    this.#remembered.remember(new Map());
    for (const part of this.#all) part.make();
  }

  /** @returns what that did, for people to read @throws NetlinkError, SteeringNetworkError */
  remove(): readonly string[] {
    // Others have rules and tables of the same numbers.
    if (!this.#remembered.isAny && this.device.ifindex === undefined) return [];
    const removed = this.#all.toReversed().flatMap((part) => part.remove());
    this.#remembered.forget();
    return removed;
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}
