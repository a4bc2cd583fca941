import type { BpfMap } from 'libbpf-ts';
import { Pace } from '../pace.ts';
import { keyOf } from './address.ts';
import type { ServiceMaps } from './service-maps.ts';
import { BACKEND_ACTIVE, emptyService, emptyState, type KernelBackend, type KernelService, type KernelState } from './state.ts';

/** Of addresses that are there and led nowhere: those that are not translated have nothing else in the maps. */
export const UNKNOWN_OWNER = '';

/** The maps as they are, entry by entry, whatever is wrong with them. */
export interface RawState {
  readonly names: ReadonlyMap<bigint, string>;
  readonly services: ReadonlyMap<bigint, { id: bigint; table: bigint; backends: number; affinity_seconds: number }>;
  /** By table and index. */
  readonly slots: ReadonlyMap<string, { readonly key: SlotKeyRead; readonly backend: bigint }>;
  readonly backends: ReadonlyMap<bigint, KernelBackend & { readonly service: bigint; readonly address: string; readonly isSound: boolean }>;
  readonly frontends: ReadonlyMap<string, { readonly service: bigint; readonly isSound: boolean }>;
  readonly addresses: ReadonlySet<string>;
  readonly nextId: bigint;
}

interface SlotKeyRead {
  readonly table: bigint;
  readonly index: number;
  readonly pad: number;
}

/** Others have their turn while it is read. */
export async function readRawState(maps: ServiceMaps): Promise<RawState> {
  return {
    names: await all(maps.service_names, (id, { text }) => [id, decodeName(text)]),
    services: await all(maps.services, (id, service) => [id, service]),
    slots: await all(maps.service_slots, (key, backend) => [slotKey(key.table, key.index, key.pad), { key, backend }]),
    backends: await all(maps.service_backends, (id, { address, service, state, id: own }) => [
      id,
      { id, service, state, address: keyOf(address), isSound: own === id },
    ]),
    frontends: await all(maps.service_frontends, (key, { address, service }) => {
      const text = keyOf(key);
      return [text, { service, isSound: keyOf(address) === text }];
    }),
    addresses: new Set((await all(maps.service_addresses, (key) => [keyOf(key), true])).keys()),
    nextId: maps.service_next_id.get(0) ?? 0n,
  };
}

/**
 * What of the maps is right in itself, as a state to plan from. Where something of a Service does not fit together, its table is
 * left out, so that it gets another. Others have their turn in between.
 */
export async function assembleState(raw: RawState): Promise<KernelState> {
  const pace = new Pace();
  const state = emptyState(await firstFreeId(raw, pace));
  const byId = new Map<bigint, string>();
  for (const [id, name] of raw.names) {
    if (!state.services.has(name)) state.services.set(name, emptyService(id, name));
    if (state.services.get(name)?.id === id) byId.set(id, name);
    if (pace.isDue) await pace.rest();
  }
  const backends = await backendsByService(raw, pace);
  const frontends = new Map<bigint, Set<string>>();
  for (const [key, frontend] of raw.frontends) {
    const name = byId.get(frontend.service);
    if (!frontend.isSound || name === undefined) continue;
    state.owners.set(key, name);
    const own = frontends.get(frontend.service) ?? new Set<string>();
    frontends.set(frontend.service, own.add(key));
    if (pace.isDue) await pace.rest();
  }
  for (const key of raw.addresses) {
    state.addressOwners.set(key, state.owners.get(key) ?? UNKNOWN_OWNER);
    if (pace.isDue) await pace.rest();
  }
  for (const [id, name] of byId) {
    const own = backends.get(id) ?? new Map<string, KernelBackend>();
    const leading = frontends.get(id) ?? new Set<string>();
    const addresses = new Set([...leading].filter((key) => raw.addresses.has(key)));
    const service = readService(raw, id, own);
    state.services.set(name, { ...emptyService(id, name), ...service, backends: own, frontends: leading, addresses });
    if (pace.isDue) await pace.rest();
  }
  return state;
}

async function firstFreeId({ names, backends, services, nextId }: RawState, pace: Pace): Promise<bigint> {
  let free = nextId > 0n ? nextId : 1n;
  for (const ids of [names.keys(), backends.keys(), services.values().map(({ table }) => table)]) {
    for (const id of ids) {
      if (id >= free) free = id + 1n;
      if (pace.isDue) await pace.rest();
    }
  }
  return free;
}

function readService(
  raw: RawState,
  id: bigint,
  backends: ReadonlyMap<string, KernelBackend>,
): Partial<Pick<KernelService, 'table' | 'slots' | 'affinitySeconds'>> {
  const record = raw.services.get(id);
  if (record?.id !== id) return {};
  const { table, backends: slots, affinity_seconds: affinitySeconds } = record;
  const missing = new Set([...backends.values()].filter(({ state }) => state === BACKEND_ACTIVE).map((backend) => backend.id));
  for (let index = 0; index < Math.min(slots, raw.slots.size); index += 1) {
    const backend = raw.slots.get(slotKey(table, index, 0))?.backend;
    // Each active one stands in one slot.
    if (backend === undefined || !missing.delete(backend)) return {};
  }
  return missing.size === 0 && slots <= raw.slots.size ? { table, slots, affinitySeconds } : {};
}

async function backendsByService(raw: RawState, pace: Pace): Promise<ReadonlyMap<bigint, Map<string, KernelBackend>>> {
  const all = new Map<bigint, Map<string, KernelBackend>>();
  for (const { id, service, address, state, isSound } of raw.backends.values()) {
    if (!isSound) continue;
    const own = all.get(service) ?? new Map<string, KernelBackend>();
    all.set(service, own);
    if (!own.has(address)) own.set(address, { id, state });
    if (pace.isDue) await pace.rest();
  }
  return all;
}

export function slotKey(table: bigint, index: number, pad: number): string {
  return `${table}/${index}/${pad}`;
}

export function decodeName(text: Uint8Array): string {
  const end = text.indexOf(0);
  return Buffer.from(text.subarray(0, end < 0 ? text.length : end)).toString('utf8');
}

async function all<K, V, A, B>(map: BpfMap<K, V>, read: (key: K, value: V) => readonly [A, B]): Promise<Map<A, B>> {
  const pace = new Pace();
  const entries = new Map<A, B>();
  for await (const batch of map.batches()) {
    for (const [key, value] of batch) {
      entries.set(...read(key, value));
      if (pace.isDue) await pace.rest();
    }
  }
  return entries;
}
