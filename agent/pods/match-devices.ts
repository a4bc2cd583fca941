import type { PodEndpoint } from '../../model/index.ts';

/** The node's end of a veth whose other end is in another network namespace. */
export interface DeviceCandidate {
  readonly ifindex: number;
  readonly name: string;
  /** That of the other end, as the node's numbers it. */
  readonly namespace: number;
  /** Of the other end. */
  readonly mac: string | undefined;
  /** Of the other end, in canonical form, link-local ones too. */
  readonly addresses: readonly string[];
}

/** The device by which a node reaches a pod. */
export interface PodDevice extends DeviceCandidate {
  readonly endpoint: PodEndpoint;
}

/**
 * Finds the device of each endpoint by the addresses in its pod's namespace; what remains has none. A pod that may change its own network
 * could take another's address, so a device has one endpoint at most, and the two stay together as long as the device has an address of it.
 * Of several new devices the newest is taken: a pod's sandbox may outlive the pod for a while.
 * @param before what was found when this was called last
 */
export function matchDevices(
  endpoints: readonly PodEndpoint[],
  candidates: readonly DeviceCandidate[],
  before: readonly PodDevice[],
): readonly PodDevice[] {
  const byIndex = new Map(candidates.map((candidate) => [candidate.ifindex, candidate]));
  const kept = new Map<string, PodDevice>();
  const taken = new Set<number>();
  const wanted = new Map(endpoints.map((endpoint) => [endpoint.uid, endpoint]));
  for (const { endpoint: old, ifindex } of before) {
    const [endpoint, candidate] = [wanted.get(old.uid), byIndex.get(ifindex)];
    if (endpoint === undefined || candidate === undefined || !isOf(endpoint, candidate)) continue;
    kept.set(endpoint.uid, { ...candidate, endpoint });
    taken.add(ifindex);
  }
  const owners = new Map<string, DeviceCandidate>();
  const newestLast = candidates.filter(({ ifindex }) => !taken.has(ifindex)).sort((a, b) => a.ifindex - b.ifindex);
  for (const candidate of newestLast) for (const address of candidate.addresses) owners.set(address, candidate);
  const found: PodDevice[] = [];
  for (const endpoint of endpoints) {
    const device = kept.get(endpoint.uid) ?? deviceOf(endpoint, owners, taken);
    if (device === undefined) continue;
    taken.add(device.ifindex);
    found.push(device);
  }
  return found;
}

function deviceOf(endpoint: PodEndpoint, owners: ReadonlyMap<string, DeviceCandidate>, taken: ReadonlySet<number>): PodDevice | undefined {
  const owner = endpoint.addresses.map((address) => owners.get(address)).find((each) => each !== undefined && !taken.has(each.ifindex));
  return owner && { ...owner, endpoint };
}

function isOf(endpoint: PodEndpoint, { addresses }: DeviceCandidate): boolean {
  return endpoint.addresses.some((address) => addresses.includes(address));
}
