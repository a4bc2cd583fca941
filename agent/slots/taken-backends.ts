import type { Identity } from '../../model/index.ts';
import { ADDRESS_TYPE, ENDPOINT_SLICE_TYPE, type Resource, SERVICE_TYPE, type SnapshotCache } from '../../xds-server/serve/index.ts';
import { decodeAddress } from '../enforcement/decode.ts';
import { decodeService, decodeSlice, decodeTakers } from '../enforcement/decode-services.ts';

/** Who serves a Service, and at which port. */
export interface Backend {
  readonly identity: Identity;
  readonly port: number;
}

/** Pods behind the ports of Services that listeners take, by the slots of these. Who is no pod, or is not known, is left out. */
export function takenBackends(cache: Pick<SnapshotCache, 'ofType' | 'get'>): ReadonlyMap<string, readonly Backend[]> {
  const taken = new Map<string, Map<string, Backend>>();
  const services = resourcesOf(cache, SERVICE_TYPE).flatMap((resource) => ifRead(resource, readTaken));
  if (services.every(({ takers }) => takers.size === 0)) return new Map();
  const slices = resourcesOf(cache, ENDPOINT_SLICE_TYPE).flatMap((resource) => ifRead(resource, decodeSlice));
  const byService = Map.groupBy(slices, ({ metadata }) => `${metadata.namespace}/${metadata.labels[SERVICE_NAME]}`);
  for (const { name, takers, portNames } of services) {
    for (const [port, slot] of takers) {
      const found = taken.get(slot) ?? new Map<string, Backend>();
      taken.set(slot, found);
      for (const slice of byService.get(name) ?? []) {
        const number = slice.ports.find((each) => each.protocol === 'TCP' && each.name === portNames.get(port))?.port;
        if (number === undefined) continue;
        for (const address of slice.endpoints.flatMap(({ addresses }) => addresses)) {
          const identity = identityOf(cache, address);
          if (identity !== undefined) found.set(`${identity} ${number}`, { identity, port: number });
        }
      }
    }
  }
  return new Map([...taken].map(([slot, found]) => [slot, [...found.values()]]));
}

const SERVICE_NAME = 'kubernetes.io/service-name';

function readTaken(name: string, body: Uint8Array) {
  const ports = decodeService(name, body).spec.ports.filter(({ protocol }) => protocol === 'TCP');
  return { name, takers: decodeTakers(name, body), portNames: new Map(ports.map((port) => [port.port, port.name])) };
}

function identityOf(cache: Pick<SnapshotCache, 'get'>, address: string): Identity | undefined {
  const resource = cache.get({ typeUrl: ADDRESS_TYPE, name: `${address}/${address.includes(':') ? 128 : 32}` });
  return resource && ifRead(resource, decodeAddress)[0]?.identity;
}

function resourcesOf(cache: Pick<SnapshotCache, 'ofType'>, typeUrl: string): readonly Resource[] {
  return Array.from(cache.ofType(typeUrl).values(), ({ resource }) => resource);
}

/** What this version cannot read leads nobody anywhere. */
function ifRead<T>({ name, body }: Resource, read: (name: string, body: Uint8Array) => T): readonly T[] {
  try {
    return [read(name, body)];
  } catch {
    return [];
  }
}
