import { rawOf } from './address.ts';
import { type RawState, slotKey, UNKNOWN_OWNER } from './read-state.ts';
import type { KernelState } from './state.ts';
import { drop, type WritableMaps } from './write-state.ts';

/**
 * Deletes what was in the maps when they were read and belongs to nothing of what they are to be.
 * @returns how many entries that were
 */
export async function deleteStrays(maps: WritableMaps, raw: RawState, state: KernelState): Promise<number> {
  const services = [...state.services.values()];
  const ids = new Set(services.map(({ id }) => id));
  const backends = new Set(services.flatMap((service) => [...service.backends.values()].map(({ id }) => id)));
  const slots = new Set(
    services.flatMap(({ table, slots: count }) => Array.from({ length: count }, (_, index) => slotKey(table ?? 0n, index, 0))),
  );
  const unclaimed = new Set([...raw.addresses].filter((key) => (state.addressOwners.get(key) ?? UNKNOWN_OWNER) === UNKNOWN_OWNER));
  for (const key of unclaimed) state.addressOwners.delete(key);
  const strays = <K, V>(entries: ReadonlyMap<K, V>, isKnown: (key: K) => boolean) => [...entries].filter(([key]) => !isKnown(key));
  return (
    (await drop(
      maps.service_frontends,
      strays(raw.frontends, (key) => state.owners.has(key)).map(([key]) => rawOf(key)),
    )) +
    (await drop(
      maps.services,
      strays(raw.services, (id) => ids.has(id)).map(([id]) => id),
    )) +
    (await drop(
      maps.service_slots,
      strays(raw.slots, (key) => slots.has(key)).map(([, { key }]) => key),
    )) +
    (await drop(
      maps.service_backends,
      strays(raw.backends, (id) => backends.has(id)).map(([id]) => id),
    )) +
    (await drop(
      maps.service_names,
      strays(raw.names, (id) => ids.has(id)).map(([id]) => id),
    )) +
    (await drop(maps.service_addresses, [...unclaimed].map(rawOf)))
  );
}
