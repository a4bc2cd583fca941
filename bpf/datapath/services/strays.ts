import { Pace } from '../pace.ts';
import { rawOf } from './address.ts';
import { type RawState, slotKey, UNKNOWN_OWNER } from './read-state.ts';
import type { KernelState } from './state.ts';
import { drop, type WritableMaps } from './write-state.ts';

/**
 * Deletes what was in the maps when they were read and belongs to nothing of what they are to be. Others have their turn in between.
 * @returns how many entries that were
 */
export async function deleteStrays(maps: WritableMaps, raw: RawState, state: KernelState): Promise<number> {
  const pace = new Pace();
  const ids = new Set<bigint>();
  const backends = new Set<bigint>();
  const slots = new Set<string>();
  for (const { id, backends: own, table, slots: count } of state.services.values()) {
    ids.add(id);
    for (const backend of own.values()) backends.add(backend.id);
    for (let index = 0; index < count; index += 1) slots.add(slotKey(table ?? 0n, index, 0));
    if (pace.isDue) await pace.rest();
  }
  const among = async <K, T>(entries: Iterable<readonly [K, T]>, isKnown: (key: K) => boolean): Promise<(readonly [K, T])[]> => {
    const strays: (readonly [K, T])[] = [];
    for (const entry of entries) {
      if (!isKnown(entry[0])) strays.push(entry);
      if (pace.isDue) await pace.rest();
    }
    return strays;
  };
  const keysOf = async <K>(entries: ReadonlyMap<K, unknown>, isKnown: (key: K) => boolean) => {
    return (await among(entries, isKnown)).map(([key]) => key);
  };
  const isClaimed = (key: string) => (state.addressOwners.get(key) ?? UNKNOWN_OWNER) !== UNKNOWN_OWNER;
  const unclaimed = (await among(raw.addresses.entries(), isClaimed)).map(([key]) => key);
  for (const key of unclaimed) state.addressOwners.delete(key);
  const strayFrontends = await keysOf(raw.frontends, (key) => state.owners.has(key));
  const straySlots = (await among(raw.slots, (key) => slots.has(key))).map(([, { key }]) => key);
  return (
    (await drop(maps.service_frontends, strayFrontends.map(rawOf))) +
    (await drop(maps.services, await keysOf(raw.services, (id) => ids.has(id)))) +
    (await drop(maps.service_slots, straySlots)) +
    (await drop(maps.service_backends, await keysOf(raw.backends, (id) => backends.has(id)))) +
    (await drop(maps.service_names, await keysOf(raw.names, (id) => ids.has(id)))) +
    (await drop(maps.service_addresses, unclaimed.map(rawOf)))
  );
}
