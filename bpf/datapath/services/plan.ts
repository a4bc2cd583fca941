import type { ServicePortTranslation } from '../../../model/index.ts';
import { keyOfPlace } from './address.ts';
import { ServiceDatapathError } from './error.ts';
import { BACKEND_ACTIVE, BACKEND_DRAINING, emptyService, type KernelBackend, type KernelService, type KernelState } from './state.ts';

export interface ServiceRecord {
  readonly id: bigint;
  readonly table: bigint;
  readonly backends: number;
  readonly affinity_seconds: number;
}

export interface BackendRecord extends KernelBackend {
  readonly address: string;
  readonly service: bigint;
}

export interface SlotKey {
  readonly table: bigint;
  readonly index: number;
  readonly pad: number;
}

/**
 * What is to be written, addresses as their keys, in this order, so that whoever reads in between finds the old or the new: numbers before they are used,
 * what is pointed at before what points at it, and for what is removed the other way round.
 */
export interface Writes {
  readonly nextId: bigint;
  readonly names: ReadonlyMap<bigint, string>;
  readonly addresses: ReadonlySet<string>;
  readonly backends: readonly BackendRecord[];
  readonly slots: readonly (readonly [SlotKey, backend: bigint])[];
  readonly services: readonly ServiceRecord[];
  readonly frontends: ReadonlyMap<string, bigint>;
  /** Backends that get nothing new any more. */
  readonly draining: readonly BackendRecord[];
  readonly frontendsGone: readonly string[];
  readonly servicesGone: readonly bigint[];
  readonly slotsGone: readonly SlotKey[];
  readonly backendsGone: readonly bigint[];
  readonly namesGone: readonly bigint[];
  readonly addressesGone: readonly string[];
}

/** As the map has room for it, in bytes of UTF-8, with a 0 at the end. */
const MAX_NAME = 255;

/** Owner of frontends that lead to a Service whose name another has taken. */
const RETIRED = '';

/** Works out how the maps come from one state to another. The state is changed along with it. */
export class Plan {
  readonly #state: KernelState;
  readonly #names = new Map<bigint, string>();
  readonly #addresses = new Set<string>();
  readonly #backends: BackendRecord[] = [];
  readonly #slots: [SlotKey, bigint][] = [];
  readonly #services: ServiceRecord[] = [];
  readonly #frontends = new Map<string, bigint>();
  readonly #draining: BackendRecord[] = [];
  readonly #frontendsGone = new Set<string>();
  /** Frontends of Services that were retired. */
  readonly #ownerless = new Set<string>();
  readonly #addressesGone = new Set<string>();
  readonly #servicesGone: bigint[] = [];
  readonly #slotsGone: SlotKey[] = [];
  readonly #backendsGone: bigint[] = [];

  constructor(state: KernelState) {
    this.#state = state;
  }

  /**
   * Called once, before `remove`.
   * @returns steps of some microseconds to be taken one after the other, so that others may have their turn in between
   * @throws ServiceDatapathError `invalid-translation`, in a step, and the plan and the state are of no use
   */
  *set(translations: readonly ServicePortTranslation[]): Generator<void, void, undefined> {
    const all: (readonly [ServicePortTranslation, Encoded])[] = [];
    for (const translation of translations) {
      const wanted = encode(translation);
      all.push([translation, wanted]);
      const known = this.#state.services.get(translation.name);
      const losesFrontends = known && [...known.frontends].some((key) => !wanted.frontends.has(key));
      if (losesFrontends && !isServedBy(known, wanted)) this.#retire(known);
      yield;
    }
    for (const [translation, wanted] of all) {
      this.#setOne(translation, wanted);
      yield;
    }
  }

  #setOne(translation: ServicePortTranslation, wanted: Encoded): void {
    const before = this.#state.services.get(translation.name) ?? this.#introduce(translation.name);
    const backends = this.#setBackends(before, wanted);
    const table = this.#setTable(before, wanted, backends);
    this.#point(before, wanted.frontends);
    this.#occupy(before, wanted.addresses);
    this.#state.services.set(translation.name, {
      id: before.id,
      name: before.name,
      table,
      slots: wanted.active.size,
      affinitySeconds: wanted.affinitySeconds,
      backends,
      frontends: wanted.frontends,
      addresses: wanted.addresses,
    });
  }

  remove(name: string): void {
    const before = this.#state.services.get(name);
    if (!before) return;
    this.#point(before, new Set());
    this.#occupy(before, new Set());
    this.#drop(before);
  }

  finish(): Writes {
    const { owners, addressOwners, nextId } = this.#state;
    for (const key of this.#ownerless) {
      if (owners.get(key) !== RETIRED) continue;
      owners.delete(key);
      this.#frontendsGone.add(key);
    }
    return {
      nextId,
      names: this.#names,
      addresses: this.#addresses,
      backends: this.#backends,
      slots: this.#slots,
      services: this.#services,
      frontends: this.#frontends,
      draining: this.#draining,
      // What one Service gave up another may have taken since.
      frontendsGone: [...this.#frontendsGone].filter((key) => !owners.has(key)),
      servicesGone: this.#servicesGone,
      slotsGone: this.#slotsGone,
      backendsGone: this.#backendsGone,
      namesGone: this.#servicesGone,
      addressesGone: [...this.#addressesGone].filter((key) => !addressOwners.has(key)),
    };
  }

  /**
   * A Service that loses a frontend, to another perhaps, and has other backends as well would for a moment show that frontend's clients
   * what they must not see. So it stays as it is until nothing leads to it any more, and another takes its name.
   */
  #retire(service: KernelService): void {
    const { owners } = this.#state;
    for (const key of service.frontends) {
      if (owners.get(key) !== service.name) continue;
      owners.set(key, RETIRED);
      this.#ownerless.add(key);
    }
    this.#drop(service);
    this.#state.services.set(service.name, { ...this.#introduce(service.name), addresses: service.addresses });
  }

  #drop(service: KernelService): void {
    this.#servicesGone.push(service.id);
    this.#dropTable(service);
    for (const { id } of service.backends.values()) this.#backendsGone.push(id);
    this.#state.services.delete(service.name);
  }

  #introduce(name: string): KernelService {
    const id = this.#nextId();
    this.#names.set(id, name);
    return emptyService(id, name);
  }

  #setBackends(before: KernelService, wanted: Encoded): ReadonlyMap<string, KernelBackend> {
    const backends = new Map<string, KernelBackend>();
    const keep = (addresses: ReadonlySet<string>, state: number, changes: BackendRecord[]) => {
      for (const key of addresses) {
        const known = before.backends.get(key);
        const backend = known?.state === state ? known : { id: known?.id ?? this.#nextId(), state };
        if (backend !== known) changes.push({ ...backend, address: key, service: before.id });
        backends.set(key, backend);
      }
    };
    keep(wanted.active, BACKEND_ACTIVE, this.#backends);
    keep(wanted.draining, BACKEND_DRAINING, this.#draining);
    for (const [key, { id }] of before.backends) if (!backends.has(key)) this.#backendsGone.push(id);
    return backends;
  }

  #setTable(before: KernelService, wanted: Encoded, backends: ReadonlyMap<string, KernelBackend>): bigint {
    const kept = isServedBy(before, wanted) ? before.table : undefined;
    if (kept !== undefined && wanted.affinitySeconds === before.affinitySeconds) return kept;
    const table = kept ?? this.#nextId();
    if (kept === undefined) {
      const active = [...backends.values()].filter(isActive);
      for (const [index, { id }] of active.entries()) this.#slots.push([{ table, index, pad: 0 }, id]);
      this.#dropTable(before);
    }
    this.#services.push({ id: before.id, table, backends: wanted.active.size, affinity_seconds: wanted.affinitySeconds });
    return table;
  }

  #dropTable({ table, slots }: KernelService): void {
    if (table !== undefined) for (let index = 0; index < slots; index += 1) this.#slotsGone.push({ table, index, pad: 0 });
  }

  /** Frontends lead to a Service, and others that it had do not. */
  #point({ id, name, frontends }: KernelService, wanted: ReadonlySet<string>): void {
    const { owners } = this.#state;
    for (const key of wanted) {
      if (owners.get(key) === name) continue;
      owners.set(key, name);
      this.#frontends.set(key, id);
    }
    for (const key of frontends) {
      if (wanted.has(key) || owners.get(key) !== name) continue;
      owners.delete(key);
      this.#frontends.delete(key);
      this.#frontendsGone.add(key);
    }
  }

  #occupy({ name, addresses }: KernelService, wanted: ReadonlySet<string>): void {
    const { addressOwners } = this.#state;
    for (const key of wanted) {
      if (!addressOwners.has(key)) this.#addresses.add(key);
      addressOwners.set(key, name);
    }
    for (const key of addresses) {
      if (wanted.has(key) || addressOwners.get(key) !== name) continue;
      addressOwners.delete(key);
      this.#addresses.delete(key);
      this.#addressesGone.add(key);
    }
  }

  #nextId(): bigint {
    const id = this.#state.nextId;
    this.#state.nextId += 1n;
    return id;
  }
}

/** Why a translation cannot be written, in a sentence; undefined where it can be. Whoever is given one by others asks before it applies it. */
export function translationProblem(translation: ServicePortTranslation): string | undefined {
  try {
    encode(translation);
    return undefined;
  } catch (error) {
    if (error instanceof ServiceDatapathError) return error.message;
    throw error;
  }
}

function isActive({ state }: KernelBackend): boolean {
  return state === BACKEND_ACTIVE;
}

/** Whether its table can stay. */
function isServedBy({ table, backends }: KernelService, { active }: Encoded): boolean {
  const before = [...backends].filter(([, backend]) => isActive(backend));
  return table !== undefined && before.length === active.size && before.every(([key]) => active.has(key));
}

interface Encoded {
  readonly affinitySeconds: number;
  readonly active: ReadonlySet<string>;
  readonly draining: ReadonlySet<string>;
  readonly frontends: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
}

function encode({ name, frontends, backends, draining, affinitySeconds, untranslated }: ServicePortTranslation): Encoded {
  if (Buffer.byteLength(name) > MAX_NAME) throw new ServiceDatapathError('invalid-translation', `the name ${name} is too long`);
  for (const { port } of [...frontends, ...backends, ...draining]) {
    const isPort = Number.isInteger(port) && port > 0 && port <= 0xffff;
    if (!isPort) throw new ServiceDatapathError('invalid-translation', `${name} has the port ${port}, which is none`);
  }
  const protocol = frontends[0]?.protocol ?? 'TCP';
  const keyed = (list: readonly { readonly address: string; readonly port: number }[]) =>
    new Set(list.map((place) => keyOfPlace(place, protocol)));
  const active = keyed(backends);
  const addresses = keyed(frontends.filter(({ address }) => address !== '0.0.0.0' && address !== '::'));
  const leaving = [...keyed(draining)].filter((key) => !active.has(key));
  return {
    affinitySeconds,
    active,
    draining: new Set(leaving),
    frontends: untranslated === undefined ? keyed(frontends) : new Set(),
    addresses,
  };
}
