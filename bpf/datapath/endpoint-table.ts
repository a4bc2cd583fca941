import type { BpfMap, Codec } from 'libbpf-ts';
import type { Identity } from '../../model/index.ts';
import type { AddressOwners } from './address-owners.ts';
import { now } from './clock.ts';
import { fullWhere } from './full.ts';
import type { endpoint, endpoint_address } from './gen/policy.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import type { Repair } from './repair.ts';
import { Turns } from './turns.ts';

type EndpointValue = typeof endpoint extends Codec<infer T> ? T : never;
type AddressKey = typeof endpoint_address extends Codec<infer T> ? T : never;

/** A pod as its door knows it. */
export interface Endpoint {
  readonly identity: Identity;
  /** The pod's own: what it may send from, and what is let through to it. */
  readonly addresses: readonly string[];
}

/** Pods by the number of the device on this side that leads to them. */
export class EndpointTable {
  readonly #endpoints: BpfMap<number, EndpointValue>;
  readonly #addresses: BpfMap<AddressKey, number>;
  readonly #owners: AddressOwners;
  readonly #turns = new Turns();
  readonly #wanted: Map<number, Endpoint>;

  /** @internal */
  constructor(endpoints: BpfMap<number, EndpointValue>, addresses: BpfMap<AddressKey, number>, owners: AddressOwners) {
    this.#endpoints = endpoints;
    this.#addresses = addresses;
    this.#owners = owners;
    this.#wanted = this.#read();
  }

  /** What was written last, and before that what was found. */
  entries(): IterableIterator<[ifindex: number, endpoint: Endpoint]> {
    return this.#wanted.entries();
  }

  get(ifindex: number): Endpoint | undefined {
    return this.#wanted.get(ifindex);
  }

  /**
   * Says who is behind a device; to be done before the device is attached, since what comes from one that nobody is known for is
   * dropped. With another identity all its connections are judged again.
   * @throws DatapathError `maps-full` or `invalid-address`
   */
  set(ifindex: number, { identity, addresses }: Endpoint): Promise<void> {
    return this.#turns.take(async () => {
      const wanted = { identity, addresses: [...new Set(addresses.map((address) => decodeAddress(encodeAddress(address))))].sort() };
      const before = this.#wanted.get(ifindex);
      this.#wanted.set(ifindex, wanted);
      await this.#write(ifindex, before, wanted);
    });
  }

  /** To be done after the device is detached, or is gone. */
  remove(ifindex: number): Promise<void> {
    return this.#turns.take(async () => {
      const before = this.#wanted.get(ifindex);
      this.#wanted.delete(ifindex);
      await this.#delete(ifindex, before?.addresses ?? []);
    });
  }

  /** Compares the kernel's tables with what was written, and makes them the same again. */
  repair(): Promise<Repair> {
    return this.#turns.take(async () => {
      const present = this.#read();
      const foreign = [...present].filter(([ifindex]) => !this.#wanted.has(ifindex));
      for (const [ifindex, { addresses }] of foreign) await this.#delete(ifindex, addresses);
      const missing: string[] = [];
      for (const [ifindex, wanted] of this.#wanted) {
        if (await this.#write(ifindex, present.get(ifindex), wanted)) missing.push(String(ifindex));
      }
      const owners = await this.#owners.repair(this.#wanted);
      return {
        foreign: [...foreign.map(([ifindex]) => String(ifindex)), ...owners.foreign],
        missing: [...new Set([...missing, ...owners.missing])],
      };
    });
  }

  /** @returns whether there was anything to write */
  async #write(ifindex: number, before: Endpoint | undefined, { identity, addresses }: Endpoint): Promise<boolean> {
    const added = addresses.filter((address) => !before?.addresses.includes(address));
    const removed = before?.addresses.filter((address) => !addresses.includes(address)) ?? [];
    const isSame = before?.identity === identity;
    await fullWhere('endpoint_addresses', () => {
      for (const address of added) this.#addresses.set({ ifindex, address: encodeAddress(address) }, 1);
    });
    if (!isSame) {
      await fullWhere('endpoints', () => {
        this.#endpoints.set(ifindex, { identity, ifindex, changed: now() });
        // A packet that came between the two took its time before this one.
        this.#endpoints.set(ifindex, { identity, ifindex, changed: now() });
      });
    }
    await this.#owners.add(ifindex, added);
    await this.#owners.remove(ifindex, removed, this.#wanted);
    for (const address of removed) this.#addresses.delete({ ifindex, address: encodeAddress(address) });
    return added.length > 0 || removed.length > 0 || !isSame;
  }

  async #delete(ifindex: number, addresses: readonly string[]): Promise<void> {
    await this.#owners.remove(ifindex, addresses, this.#wanted);
    this.#endpoints.delete(ifindex);
    for (const address of addresses) this.#addresses.delete({ ifindex, address: encodeAddress(address) });
  }

  #read(): Map<number, Endpoint> {
    return readEndpoints(this.#endpoints, this.#addresses);
  }
}

/** By the numbers of devices. Addresses of a device that is no endpoint are those of one whose identity is wrong: it is never 0. */
export function readEndpoints(endpoints: BpfMap<number, EndpointValue>, addresses: BpfMap<AddressKey, number>): Map<number, Endpoint> {
  const identities = new Map(endpoints.entries().map(([ifindex, { identity }]) => [ifindex, identity]));
  const found = new Map<number, { identity: Identity; addresses: string[] }>();
  for (const [ifindex, identity] of identities) found.set(ifindex, { identity, addresses: [] });
  for (const [{ ifindex, address }] of addresses.entries()) {
    const endpoint = found.get(ifindex) ?? { identity: 0, addresses: [] };
    found.set(ifindex, endpoint);
    endpoint.addresses.push(decodeAddress(address));
  }
  for (const { addresses } of found.values()) addresses.sort();
  return found;
}
