/** As `enum service_backend_state` has it. */
export const BACKEND_ACTIVE = 0;
export const BACKEND_DRAINING = 1;

export interface KernelBackend {
  readonly id: bigint;
  readonly state: number;
}

/** A Service as it is in the maps. */
export interface KernelService {
  readonly id: bigint;
  readonly name: string;
  /** Undefined where what is there is of no use: it is made anew. */
  readonly table: bigint | undefined;
  /** Slots of tables that are there, and are to go with the Service or its next table. */
  readonly slots: number;
  readonly affinitySeconds: number;
  /** By the key of the address. */
  readonly backends: ReadonlyMap<string, KernelBackend>;
  /** Keys of addresses. */
  readonly frontends: ReadonlySet<string>;
  /** The same of where it is reached, which packets must not be sent to, translated or not. */
  readonly addresses: ReadonlySet<string>;
}

/** All that is in the maps, as it was written or read. */
export interface KernelState {
  readonly services: Map<string, KernelService>;
  /** The name of the Service that a frontend leads to, by the key of its address. */
  readonly owners: Map<string, string>;
  /** The same of addresses that packets must not be sent to. */
  readonly addressOwners: Map<string, string>;
  nextId: bigint;
}

export function emptyState(nextId = 1n): KernelState {
  return { services: new Map(), owners: new Map(), addressOwners: new Map(), nextId };
}

const NONE = { backends: new Map<string, never>(), addresses: new Set<string>() };

/** One that has nothing yet. */
export function emptyService(id: bigint, name: string): KernelService {
  const { backends, addresses } = NONE;
  return { id, name, table: undefined, slots: 0, affinitySeconds: 0, backends, frontends: addresses, addresses };
}
