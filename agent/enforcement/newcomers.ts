import { BlockList, isIPv6 } from 'node:net';
import { type Identity, type PodEndpoint, RESERVED_IDENTITIES, type SubjectPolicy } from '../../model/index.ts';
import type { DevicesState, PodDevice } from '../pods/index.ts';
import type { PodDoor } from './doors.ts';

/** What a node was told by which it may know who is behind a device before anybody says so. */
export interface Expectation {
  /** Prefixes in which whoever comes is a pod; none as long as no policy could isolate anybody. */
  readonly guardedNetworks: readonly string[];
  readonly policyOf: (identity: Identity) => SubjectPolicy | undefined;
  /** Whether an address is known to be somebody's. */
  readonly isTold: (address: string) => boolean;
}

export interface NewcomersOptions {
  /** Whether the kernel has something of a device, from a process before this one. */
  readonly isKnown: (ifindex: number) => boolean;
  /** Monotonic, in milliseconds. Default: that of this process. */
  readonly now?: () => number;
}

/**
 * For so long a device stays closed when nobody says who is behind it, in milliseconds. Where all controllers are away nobody ever
 * would, and one of their own pods may be waiting there.
 */
export const LONGEST_WAIT_MS = 60_000;

/**
 * Pods that have started and that nobody has told the address of: the API server knows it a second later. A policy that selects a pod
 * isolates it from its start, and what is allowed may come later.
 * @see https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle
 */
export class Newcomers {
  readonly #isKnown: (ifindex: number) => boolean;
  readonly #now: () => number;
  /** When each was first seen. */
  readonly #since = new Map<number, number>();
  /** Devices that are left alone: they were there when this began, or have waited long enough. */
  readonly #left = new Set<number>();
  /** Devices that were a pod's once. */
  readonly #former = new Set<number>();
  /** By which device each pod was known, with which addresses; by the pod's `uid`. */
  readonly #known = new Map<string, { readonly ifindex: number; readonly addresses: string }>();
  #hasBegun = false;

  constructor({ isKnown, now = () => performance.now() }: NewcomersOptions) {
    this.#isKnown = isKnown;
    this.#now = now;
  }

  /** Those that are to be judged, and as whom; some of them have the address of a pod that is known, and are not to be taken for it. */
  find(state: DevicesState, { guardedNetworks, policyOf, isTold }: Expectation): readonly PodDoor[] {
    const { pods, strangers, missing } = state;
    this.#forgetOthers(new Set([...pods, ...strangers].map(({ ifindex }) => ifindex)));
    const doubtful = this.#takeDoubtful(state);
    for (const { ifindex } of pods) if (!doubtful.some((each) => each.ifindex === ifindex)) this.#former.add(ifindex);
    const networks = blockListOf(guardedNetworks);
    const inside = strangers.map(({ ifindex, name: key, addresses }) => {
      return { ifindex, key, addresses: addresses.filter((address) => networks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) };
    });
    const came = inside.filter(({ ifindex, addresses }) => addresses.length > 0 && !this.#former.has(ifindex));
    this.#note([...came, ...doubtful].map(({ ifindex }) => ifindex));
    if (guardedNetworks.length === 0) return [];
    this.#hasBegun = true;
    const waiting = came.filter(({ ifindex }) => !this.#left.has(ifindex));
    const inDoubt = doubtful.filter(({ ifindex }) => !this.#left.has(ifindex));
    const count = waiting.length + inDoubt.length;
    const identity = whoMayBe(count, missing, policyOf);
    const replaced = inDoubt.flatMap(({ ifindex, name: key, addresses, endpoint }) => {
      const who = whoHasAddressOf(endpoint, count, missing, policyOf);
      return who === undefined || who === endpoint.identity ? [] : [{ ifindex, key, addresses, identity: who }];
    });
    // The object of such a pod may be gone before its processes are, and who may change its own network has changed its address.
    const former = inside
      .filter(({ ifindex }) => this.#former.has(ifindex))
      .map((each) => ({ ...each, identity: RESERVED_IDENTITIES.init }));
    const doors = [...(identity === undefined ? [] : waiting.map((each) => ({ ...each, identity }))), ...replaced, ...former];
    return doors.map((door) => ({ ...door, addresses: door.addresses.filter((address) => !isTold(address)) }));
  }

  /** In how many milliseconds something changes by itself. */
  nextInMs(): number | undefined {
    const first = Math.min(...this.#since.values());
    return first === Number.POSITIVE_INFINITY ? undefined : Math.max(0, first + LONGEST_WAIT_MS - this.#now());
  }

  /**
   * A pod's device is gone and another has its address: it may be the pod's, whose sandbox was made anew, or of a pod that was given the address
   * before anybody tells that the old one is gone. What is told of that pod's addresses anew is believed.
   */
  #takeDoubtful({ pods, missing }: DevicesState): readonly PodDevice[] {
    const there = new Set([...pods.map(({ endpoint }) => endpoint), ...missing].map(({ uid }) => uid));
    for (const uid of this.#known.keys()) if (!there.has(uid)) this.#known.delete(uid);
    for (const { uid, addresses } of missing) if (this.#known.get(uid)?.addresses !== addresses.join()) this.#known.delete(uid);
    return pods.filter(({ endpoint, ifindex }) => {
      const addresses = endpoint.addresses.join();
      const known = this.#known.get(endpoint.uid);
      if (known?.addresses === addresses && known.ifindex !== ifindex && !this.#left.has(ifindex)) return true;
      this.#known.set(endpoint.uid, { ifindex, addresses });
      return false;
    });
  }

  #note(present: readonly number[]): void {
    const now = this.#now();
    for (const ifindex of present) {
      if (this.#left.has(ifindex)) continue;
      const since = this.#since.get(ifindex) ?? now;
      const wasThere = !this.#hasBegun && !this.#isKnown(ifindex);
      if (wasThere || now - since >= LONGEST_WAIT_MS) {
        this.#left.add(ifindex);
        this.#since.delete(ifindex);
      } else this.#since.set(ifindex, since);
    }
    for (const ifindex of this.#since.keys()) if (!present.includes(ifindex)) this.#since.delete(ifindex);
  }

  #forgetOthers(there: ReadonlySet<number>): void {
    for (const known of [this.#left, this.#former]) for (const ifindex of known) if (!there.has(ifindex)) known.delete(ifindex);
  }
}

/**
 * Who newcomers are, as far as it can be known: undefined where no policy isolates any pod that may be one of them.
 * @param candidates pods of this node that have no device yet
 */
export function whoMayBe(
  newcomers: number,
  candidates: readonly PodEndpoint[],
  policyOf: (identity: Identity) => SubjectPolicy | undefined,
): Identity | undefined {
  const { init } = RESERVED_IDENTITIES;
  // One of them is a pod that this node has not been told of.
  if (newcomers > candidates.length) return init;
  const policies = [...new Set(candidates.map(({ identity }) => identity))].map(policyOf);
  if (policies.every((policy) => policy !== undefined && isOpen(policy))) return undefined;
  // Who had an address may have been given another, and still be missing when others come.
  const areStarting = candidates.every(({ addresses }) => addresses.length === 0);
  const [only, ...others] = policies;
  return only && others.length === 0 && areStarting ? only.subject : init;
}

/** The same of one that has the address of a pod that is known, which may be that pod. */
function whoHasAddressOf(
  pod: PodEndpoint,
  newcomers: number,
  awaited: readonly PodEndpoint[],
  policyOf: (identity: Identity) => SubjectPolicy | undefined,
): Identity | undefined {
  if (newcomers > awaited.length) return RESERVED_IDENTITIES.init;
  return whoMayBe(newcomers, [...awaited, { ...pod, addresses: [] }], policyOf);
}

function isOpen({ ingress, egress }: SubjectPolicy): boolean {
  return [ingress, egress].every(({ defaultDeny, verdicts }) => !defaultDeny && verdicts.length === 0);
}

function blockListOf(prefixes: readonly string[]): BlockList {
  const list = new BlockList();
  for (const prefix of prefixes) {
    const [address = '', length] = prefix.split('/');
    list.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}
