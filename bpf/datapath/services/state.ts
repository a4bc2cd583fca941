import type { RawAddress } from './address.ts';

/** As `enum service_backend_state` has it. */
export const BACKEND_ACTIVE = 0;
export const BACKEND_DRAINING = 1;

export interface KernelBackend {
  readonly id: bigint;
  readonly address: RawAddress;
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
  /** By address. */
  readonly backends: ReadonlyMap<string, KernelBackend>;
  /** By address. */
  readonly frontends: ReadonlyMap<string, RawAddress>;
  /** Where it is reached, which packets must not be sent to, translated or not; by address. */
  readonly addresses: ReadonlyMap<string, RawAddress>;
}

/** All that is in the maps, as it was written or read. */
export interface KernelState {
  readonly services: Map<string, KernelService>;
  /** The name of the Service that a frontend leads to, by address. */
  readonly owners: Map<string, string>;
  /** The same of addresses that packets must not be sent to. */
  readonly addressOwners: Map<string, string>;
  nextId: bigint;
}

export function emptyState(nextId = 1n): KernelState {
  return { services: new Map(), owners: new Map(), addressOwners: new Map(), nextId };
}
