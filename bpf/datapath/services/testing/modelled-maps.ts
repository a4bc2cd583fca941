import { decodeAddress, keyOf, type RawAddress } from '../address.ts';
import type { RawState } from '../read-state.ts';
import { decodeName, slotKey } from '../read-state.ts';
import type { WritableMap, WritableMaps } from '../write-state.ts';

/** Maps in memory that tell of each single entry that is written or deleted, and what a program would make of them. */
export class ModelledMaps {
  readonly #onWrite: () => void;
  readonly #entries = new Map<string, Map<string, readonly [key: unknown, value: unknown]>>();
  readonly maps: WritableMaps;

  constructor(onWrite: () => void) {
    this.#onWrite = onWrite;
    const byId = (id: bigint) => String(id);
    this.maps = {
      service_addresses: this.#map('service_addresses', keyOf),
      service_frontends: this.#map('service_frontends', keyOf),
      services: this.#map('services', byId),
      service_slots: this.#map('service_slots', ({ table, index, pad }) => slotKey(table, index, pad)),
      service_backends: this.#map('service_backends', byId),
      service_names: this.#map('service_names', byId),
      service_next_id: this.#map('service_next_id', String),
    };
  }

  /** All backends that a connection to an address may get: none where it is refused; undefined where it is no Service. */
  resolve(frontend: RawAddress): readonly string[] | undefined {
    const leads = this.maps.service_frontends.get(frontend);
    if (!leads) return undefined;
    const service = this.maps.services.get(leads.service);
    if (service?.id !== leads.service) throw new Error('a frontend leads to no Service');
    return Array.from({ length: service.backends }, (_, index) => {
      const id = this.maps.service_slots.get({ table: service.table, index, pad: 0 });
      const backend = id === undefined ? undefined : this.maps.service_backends.get(id);
      if (!backend || backend.id !== id || backend.service !== service.id || backend.state !== 0)
        throw new Error(`slot ${index} leads to no backend`);
      const { address, port } = decodeAddress(backend.address) ?? {};
      return `${address} ${port}`;
    });
  }

  /** As `readRawState` reads it. */
  read(): RawState {
    const { service_names, services, service_slots, service_backends, service_frontends, service_addresses } = this.maps;
    const entries = <K, V>(map: WritableMap<K, V>) => [...(this.#entries.get(map.info.name)?.values() ?? [])] as [K, V][];
    return {
      names: new Map(entries(service_names).map(([id, { text }]) => [id, decodeName(text)])),
      services: new Map(entries(services)),
      slots: new Map(entries(service_slots).map(([key, backend]) => [slotKey(key.table, key.index, key.pad), { key, backend }])),
      backends: new Map(
        entries(service_backends).map(([id, backend]) => [id, { ...backend, address: keyOf(backend.address), isSound: backend.id === id }]),
      ),
      frontends: new Map(
        entries(service_frontends).map(([key, { address, service }]) => [keyOf(key), { service, isSound: keyOf(address) === keyOf(key) }]),
      ),
      addresses: new Set(entries(service_addresses).map(([key]) => keyOf(key))),
      nextId: this.maps.service_next_id.get(0) ?? 0n,
    };
  }

  #map<K, V>(name: string, textOf: (key: K) => string): WritableMap<K, V> {
    const entries = new Map<string, readonly [key: K, value: V]>();
    this.#entries.set(name, entries);
    const set = (key: K, value: V) => {
      entries.set(textOf(key), [key, value]);
      this.#onWrite();
      return true;
    };
    return {
      info: { name, fd: 0, type: 1, keySize: 0, valueSize: 0, maxEntries: 0 },
      get: (key) => entries.get(textOf(key))?.[1],
      set,
      setAll: async (all) => {
        for (const [key, value] of all) set(key, value);
      },
      delete: (key) => {
        const isThere = entries.delete(textOf(key));
        this.#onWrite();
        return isThere;
      },
    };
  }
}
