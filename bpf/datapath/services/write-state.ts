import { BpfError, type BpfMap } from 'libbpf-ts';
import { Pace } from '../pace.ts';
import { rawOf } from './address.ts';
import { ServiceDatapathError } from './error.ts';
import type { BackendRecord, Writes } from './plan.ts';
import type { ServiceMaps } from './service-maps.ts';

const NAME_SIZE = 256;

/** How many entries were written and deleted. */
export interface WriteCount {
  readonly written: number;
  readonly deleted: number;
}

/** What of a map is used here. */
export type WritableMap<K, V> = Pick<BpfMap<K, V>, 'info' | 'get' | 'set' | 'setAll' | 'delete'>;
type Writable<M> = M extends BpfMap<infer K, infer V> ? WritableMap<K, V> : never;
export type WritableMaps = { readonly [N in Exclude<keyof ServiceMaps, 'node_addresses' | 'service_counts'>]: Writable<ServiceMaps[N]> };

/**
 * Writes what was planned, in the order that keeps every reader right.
 * @throws ServiceDatapathError `maps-full`, before anything leads to what could not be written; BpfError
 */
export async function writePlan(maps: WritableMaps, writes: Writes): Promise<WriteCount> {
  const backend = ({ id, service, address, state }: BackendRecord) => [id, { id, service, address: rawOf(address), state }] as const;
  if (maps.service_next_id.get(0) !== writes.nextId) maps.service_next_id.set(0, writes.nextId);
  const { names, addresses, backends, slots, services, frontends, draining } = writes;
  const written = [
    await put(
      maps.service_names,
      names.size,
      each(names, ([id, name]) => [id, { text: encodeName(name) }]),
    ),
    await put(
      maps.service_addresses,
      addresses.size,
      each(addresses, (key) => [rawOf(key), 1]),
    ),
    await put(maps.service_backends, backends.length, each(backends, backend)),
    await put(maps.service_slots, slots.length, slots),
    await put(
      maps.services,
      services.length,
      each(services, (service) => [service.id, service]),
    ),
    await put(
      maps.service_frontends,
      frontends.size,
      each(frontends, ([key, service]) => [rawOf(key), { address: rawOf(key), pad: 0, service }]),
    ),
    await put(maps.service_backends, draining.length, each(draining, backend)),
  ];
  const deleted = [
    await drop(maps.service_frontends, each(writes.frontendsGone, rawOf)),
    await drop(maps.services, writes.servicesGone),
    await drop(maps.service_slots, writes.slotsGone),
    await drop(maps.service_backends, writes.backendsGone),
    await drop(maps.service_names, writes.namesGone),
    await drop(maps.service_addresses, each(writes.addressesGone, rawOf)),
  ];
  return { written: sum(written), deleted: sum(deleted) };
}

/** Deletes keys, whether they are there or not; others have their turn in between. @returns how many were there */
export async function drop<K, V>(map: WritableMap<K, V>, keys: Iterable<K>): Promise<number> {
  const pace = new Pace();
  let deleted = 0;
  for (const key of keys) {
    if (map.delete(key)) deleted += 1;
    if (pace.isDue) await pace.rest();
  }
  return deleted;
}

/** As they are asked for: there may be hundreds of thousands. */
function* each<T, R>(all: Iterable<T>, make: (one: T) => R): Generator<R> {
  for (const one of all) yield make(one);
}

const FULL = new Set(['E2BIG', 'ENOSPC', 'ENOMEM']);

async function put<K, V>(map: WritableMap<K, V>, count: number, entries: Iterable<readonly [K, V]>): Promise<number> {
  try {
    await map.setAll(entries);
  } catch (error) {
    if (!(error instanceof BpfError) || !FULL.has(error.errnoName ?? '')) throw error;
    const message = `${map.info.name} has no room for ${count} more, of ${map.info.maxEntries} altogether`;
    throw new ServiceDatapathError('maps-full', message, { cause: error });
  }
  return count;
}

function encodeName(name: string): Uint8Array {
  const text = new Uint8Array(NAME_SIZE);
  new TextEncoder().encodeInto(name, text);
  return text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
