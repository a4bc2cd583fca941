import { isDeepStrictEqual } from 'node:util';
import type { PodEndpoint } from '../../model/index.ts';
import { NetlinkError, type RouteChange, RouteMonitor, RouteNetlink } from '../netlink/index.ts';
import { InsideNamespaces } from './inside-namespaces.ts';
import { type DeviceCandidate, matchDevices, type PodDevice } from './match-devices.ts';
import { findHostAddresses, findLinkLocalAddresses, findNetworkDevices, isDefaultRoute, type NetworkDevices } from './network-devices.ts';

export interface DevicesState {
  /** In the order of the endpoints. */
  readonly pods: readonly PodDevice[];
  /** Endpoints that no device leads to: by something else than a veth, or not yet, or whose addresses are not known. */
  readonly missing: readonly PodEndpoint[];
  /** Veths that lead into other namespaces and are of no endpoint. */
  readonly strangers: readonly DeviceCandidate[];
  readonly network: NetworkDevices;
  /** Of this node's network, in canonical form, but for those that lead nowhere else. */
  readonly hostAddresses: readonly string[];
  /** Of this node, on links that others are on as well; in canonical form. */
  readonly linkLocalAddresses: readonly string[];
}

export interface PodDevicesOptions {
  /** Is told whenever something differs from what it was told before. */
  readonly onChange: (state: DevicesState) => void;
  /** Is told why the state stays as it is: a NetlinkError. It is tried again. */
  readonly onFailure: (error: NetlinkError) => void;
}

/** Changes come in bursts. */
const BURST_MS = 5;
/** Where nothing tells of addresses in other namespaces, those of pods that are missing are asked for, less and less often. */
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 5_000;

/** Where nothing has been found yet. */
export const NO_DEVICES: DevicesState = {
  pods: [],
  missing: [],
  strangers: [],
  network: { uplinks: [], tunnels: [] },
  hostAddresses: [],
  linkLocalAddresses: [],
};

/**
 * Follows the devices of a node's pods, on any CNI that uses veths, and those by which packets come from elsewhere, in the network namespace of the
 * thread that opens it. Does not keep the process. Needs CAP_NET_ADMIN. Without CAP_NET_BROADCAST pods are found
 * later, and addresses that one gets when it has been found are not seen before its device changes.
 */
export class PodDevices implements Disposable {
  #state = NO_DEVICES;
  #endpoints: readonly PodEndpoint[] = [];
  #nodeAddresses: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #retryMs = FIRST_RETRY_MS;
  readonly #options: PodDevicesOptions;
  readonly #netlink: RouteNetlink;
  readonly #monitor: RouteMonitor;
  readonly #inside: InsideNamespaces;

  /** Nothing is told before {@link PodDevices.set}. @throws NetlinkError `unavailable`, `refused` */
  constructor(options: PodDevicesOptions) {
    this.#options = options;
    this.#netlink = RouteNetlink.open();
    this.#inside = new InsideNamespaces(this.#netlink);
    this.#monitor = new RouteMonitor({
      topics: ['link', 'address', 'route'],
      allNamespaces: true,
      onChange: (change, namespace) => this.#changed(change, namespace),
      onOverrun: () => this.#overrun(),
    });
  }

  get state(): DevicesState {
    return this.#state;
  }

  /** Looks for these from now on, at once. @param nodeAddresses in canonical form; may be empty */
  set(endpoints: readonly PodEndpoint[], nodeAddresses: readonly string[]): void {
    this.#endpoints = endpoints;
    this.#nodeAddresses = nodeAddresses;
    this.#retryMs = FIRST_RETRY_MS;
    this.#forgetUnfound();
    this.#look();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#monitor[Symbol.dispose]();
    this.#netlink[Symbol.dispose]();
  }

  #changed(change: RouteChange, namespace: number | undefined): void {
    if (namespace !== undefined) this.#inside.forgetNamespace(namespace);
    else if (change.kind === 'link') {
      this.#inside.forgetDevice(change.link.index);
      this.#retryMs = FIRST_RETRY_MS;
    } else if (change.kind === 'route' && !isDefaultRoute(change.route)) return;
    this.#lookIn(BURST_MS);
  }

  #overrun(): void {
    this.#inside.forgetAll();
    this.#lookIn(BURST_MS);
  }

  #lookIn(milliseconds: number): void {
    const at = performance.now() + milliseconds;
    if (at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.#look(), milliseconds);
    this.#timer.unref();
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    const before = this.#state;
    try {
      this.#state = this.#read();
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      this.#inside.forgetAll();
      this.#retry();
      this.#options.onFailure(error);
      return;
    }
    if (this.#state.missing.length > 0) this.#retry();
    if (!isDeepStrictEqual(this.#state, before)) this.#options.onChange(this.#state);
  }

  #retry(): void {
    this.#forgetUnfound();
    this.#lookIn(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #forgetUnfound(): void {
    this.#inside.forgetOthers(new Set(this.#state.pods.map(({ ifindex }) => ifindex)));
  }

  #read(): DevicesState {
    const links = this.#netlink.links();
    const own = this.#netlink.addresses();
    const network = findNetworkDevices(links, own, this.#netlink.routes(), this.#nodeAddresses);
    const uplinks = new Set(network.uplinks.map(({ ifindex }) => ifindex));
    const candidates = this.#inside.candidates(links.filter(({ index }) => !uplinks.has(index)));
    const pods = matchDevices(this.#endpoints, candidates, this.#state.pods);
    const found = new Set(pods.map(({ endpoint }) => endpoint.uid));
    const theirs = new Set(pods.map(({ ifindex }) => ifindex));
    return {
      pods,
      missing: this.#endpoints.filter(({ uid }) => !found.has(uid)),
      strangers: candidates.filter(({ ifindex }) => !theirs.has(ifindex)),
      network,
      hostAddresses: findHostAddresses(own),
      linkLocalAddresses: findLinkLocalAddresses(own, links),
    };
  }
}
