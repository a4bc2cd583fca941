import type { BpfMap, Codec } from 'libbpf-ts';
import type { Endpoint } from './endpoint-table.ts';
import { fullWhere } from './full.ts';
import type { address_key, address_owner } from './gen/policy.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import type { Repair } from './repair.ts';

export type OwnerKey = typeof address_key extends Codec<infer T> ? T : never;
export type OwnerValue = typeof address_owner extends Codec<infer T> ? T : never;

/** Pods of this node by their addresses: what Envoy opens with one is judged as the pod that has it. Of two with the same one, either. */
export class AddressOwners {
  readonly #map: BpfMap<OwnerKey, OwnerValue>;

  constructor(map: BpfMap<OwnerKey, OwnerValue>) {
    this.#map = map;
  }

  /** @throws DatapathError `maps-full` */
  add(ifindex: number, addresses: readonly string[]): Promise<void> {
    return fullWhere('address_owners', () => {
      for (const text of addresses) {
        const address = encodeAddress(text);
        this.#map.set({ address }, { address, ifindex });
      }
    });
  }

  /** @param others all that are left */
  async remove(ifindex: number, addresses: readonly string[], others: ReadonlyMap<number, Endpoint>): Promise<void> {
    for (const text of addresses) {
      const key = { address: encodeAddress(text) };
      if (this.#map.get(key)?.ifindex !== ifindex) continue;
      const [other] = [...others].find(([device, { addresses: own }]) => device !== ifindex && own.includes(text)) ?? [];
      if (other === undefined) this.#map.delete(key);
      else await this.add(other, [text]);
    }
  }

  /** @returns addresses that were nobody's, and devices that were not found by theirs */
  async repair(wanted: ReadonlyMap<number, Endpoint>): Promise<Repair> {
    const owners = new Map<string, Set<number>>();
    for (const [ifindex, { addresses }] of wanted)
      for (const address of addresses) owners.set(address, (owners.get(address) ?? new Set()).add(ifindex));
    const foreign: string[] = [];
    for (const [{ address }, value] of [...this.#map.entries()]) {
      const text = decodeAddress(address);
      const isSound = owners.get(text)?.has(value.ifindex) === true && decodeAddress(value.address) === text;
      if (isSound) owners.delete(text);
      else if (!owners.has(text) && this.#map.delete({ address })) foreign.push(text);
    }
    const missing = new Set<string>();
    for (const [address, [ifindex]] of owners) {
      if (ifindex === undefined) continue;
      await this.add(ifindex, [address]);
      missing.add(String(ifindex));
    }
    return { foreign, missing: [...missing] };
  }
}
