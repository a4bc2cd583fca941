import { compareText, type ServiceBackend, type ServiceFrontend } from '../../../model/index.ts';
import { decodeAddress, keyOf, rawOf } from './address.ts';
import { readRawState } from './read-state.ts';
import { openPinnedMaps } from './service-maps.ts';
import { BACKEND_ACTIVE } from './state.ts';

/** A Service as the kernel translates it. */
export interface ListedService {
  /** As its translation; empty where what is in the kernel has none. */
  readonly name: string;
  /** The unspecified address stands for the node's own. Sorted. */
  readonly frontends: readonly ServiceFrontend[];
  /** Sorted. */
  readonly backends: readonly ListedBackend[];
  readonly affinitySeconds: number;
}

export interface ListedBackend extends ServiceBackend {
  /** Gets nothing new. */
  readonly isDraining: boolean;
}

/** Numbers since the programs were first loaded. */
export interface ServiceCounts {
  readonly translated: number;
  /** There was no backend. */
  readonly refused: number;
  /** What the maps said did not fit together; refused as well. */
  readonly inconsistent: number;
  /** Datagrams of sockets that are connected to a backend that is gone. */
  readonly stale: number;
}

/**
 * What is in the kernel, by whomever it was put there.
 * @param pinFolder the folder of the BPF file system
 * @throws BpfError `not-found` where nothing was put there
 */
export async function listServices(pinFolder: string): Promise<readonly ListedService[]> {
  using maps = openPinnedMaps(pinFolder);
  const { names, services, backends, frontends } = await readRawState(maps);
  const frontendsOf = Map.groupBy(
    Array.from(frontends, ([key, { service }]) => ({ key, service })),
    ({ service }) => service,
  );
  const backendsOf = Map.groupBy(backends.values(), ({ service }) => service);
  const listed = Array.from(services, ([id, { affinity_seconds: affinitySeconds }]) => ({
    name: names.get(id) ?? '',
    frontends: (frontendsOf.get(id) ?? []).flatMap(({ key }) => decodeAddress(rawOf(key)) ?? []).toSorted(compareAddresses),
    backends: (backendsOf.get(id) ?? [])
      .flatMap(({ address, state }) => {
        const decoded = decodeAddress(rawOf(address));
        return decoded ? [{ address: decoded.address, port: decoded.port, isDraining: state !== BACKEND_ACTIVE }] : [];
      })
      .toSorted(compareAddresses),
    affinitySeconds,
  }));
  return listed.toSorted((a, b) => compareText(a.name, b.name));
}

/** What the programs counted. @throws BpfError `not-found` */
export function readServiceCounts(pinFolder: string): ServiceCounts {
  using maps = openPinnedMaps(pinFolder);
  const [translated = 0, refused = 0, inconsistent = 0, stale = 0] = [0, 1, 2, 3].map((key) =>
    (maps.service_counts.get(key) ?? []).reduce((sum, ofCpu) => sum + Number(ofCpu), 0),
  );
  return { translated, refused, inconsistent, stale };
}

/** The addresses that packets of policed pods must not be sent to. Sorted. @throws BpfError `not-found` */
export function listServiceAddresses(pinFolder: string): readonly ServiceFrontend[] {
  using maps = openPinnedMaps(pinFolder);
  const keys = new Map(Array.from(maps.service_addresses.entries(), ([key]) => [keyOf(key), key]));
  return [...keys.values()].flatMap((key) => decodeAddress(key) ?? []).toSorted(compareAddresses);
}

function compareAddresses(a: ServiceBackend, b: ServiceBackend): number {
  return compareText(a.address, b.address) || a.port - b.port;
}
