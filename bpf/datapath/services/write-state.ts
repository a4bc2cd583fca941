import { setImmediate } from 'node:timers/promises';
import { BpfError, type BpfMap } from 'libbpf-ts';
import { rawOf } from './address.ts';
import { ServiceDatapathError } from './error.ts';
import type { BackendRecord, Writes } from './plan.ts';
import type { ServiceMaps } from './service-maps.ts';

const AT_A_TIME = 1_000;
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
  const written = [
    await put(
      maps.service_names,
      [...writes.names].map(([id, name]) => [id, { text: encodeName(name) }] as const),
    ),
    await put(
      maps.service_addresses,
      [...writes.addresses].map((key) => [rawOf(key), 1] as const),
    ),
    await put(maps.service_backends, writes.backends.map(backend)),
    await put(maps.service_slots, writes.slots),
    await put(
      maps.services,
      writes.services.map((service) => [service.id, service] as const),
    ),
    await put(
      maps.service_frontends,
      [...writes.frontends].map(([key, service]) => [rawOf(key), { address: rawOf(key), pad: 0, service }] as const),
    ),
    await put(maps.service_backends, writes.draining.map(backend)),
  ];
  const deleted = [
    await drop(maps.service_frontends, writes.frontendsGone.map(rawOf)),
    await drop(maps.services, writes.servicesGone),
    await drop(maps.service_slots, writes.slotsGone),
    await drop(maps.service_backends, writes.backendsGone),
    await drop(maps.service_names, writes.namesGone),
    await drop(maps.service_addresses, writes.addressesGone.map(rawOf)),
  ];
  return { written: sum(written), deleted: sum(deleted) };
}

/** Deletes keys, whether they are there or not; others have their turn in between. @returns how many were there */
export async function drop<K, V>(map: WritableMap<K, V>, keys: readonly K[]): Promise<number> {
  let deleted = 0;
  for (const [index, key] of keys.entries()) {
    if (map.delete(key)) deleted += 1;
    if (index % AT_A_TIME === AT_A_TIME - 1) await setImmediate();
  }
  return deleted;
}

const FULL = new Set(['E2BIG', 'ENOSPC', 'ENOMEM']);

async function put<K, V>(map: WritableMap<K, V>, entries: readonly (readonly [K, V])[]): Promise<number> {
  try {
    await map.setAll(entries);
  } catch (error) {
    if (!(error instanceof BpfError) || !FULL.has(error.errnoName ?? '')) throw error;
    const message = `${map.info.name} has no room for ${entries.length} more, of ${map.info.maxEntries} altogether`;
    throw new ServiceDatapathError('maps-full', message, { cause: error });
  }
  return entries.length;
}

function encodeName(name: string): Uint8Array {
  const text = new Uint8Array(NAME_SIZE);
  new TextEncoder().encodeInto(name, text);
  return text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
