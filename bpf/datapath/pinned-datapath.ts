import { join } from 'node:path';
import { BpfError, type BpfMap, type Codec, openMap, u32 } from 'libbpf-ts';
import type { AddressEntry, Direction, Identity } from '../../model/index.ts';
import { readAddresses } from './address-table.ts';
import { type Connection, readConnections } from './connections.ts';
import { type Counter, readCounters } from './counters.ts';
import { type Endpoint, readEndpoints } from './endpoint-table.ts';
import { DatapathError } from './error.ts';
import { maps as CODECS, verdict, verdict_key } from './gen/policy.ts';
import { trieFolder } from './pins.ts';
import { type Redirect, readRedirects } from './redirect-table.ts';
import { readTaken, type TakenAddress } from './taken-services.ts';
import { decodeVerdict, type WrittenVerdict } from './verdict-entries.ts';

import type { Trie } from './verdict-tries.ts';

/** What the kernel has for an identity of pods on this node. */
export interface WrittenPolicy {
  readonly subject: Identity;
  /** Whether what no verdict matches is denied. */
  readonly defaultDeny: Readonly<Record<Direction, boolean>>;
  /** Whether what it does not allow passes and is told of. */
  readonly audits: boolean;
  /** Sorted by direction, peer, protocol, port and prefix length. */
  readonly verdicts: readonly WrittenVerdict[];
}

/** Tries that were replaced meanwhile are looked for again so often. */
const ATTEMPTS = 3;

/**
 * The tables of a datapath, as whoever has it open leaves them; it can be at work meanwhile. They are only read.
 *
 *     const datapath = new PinnedDatapath('/sys/fs/bpf/sluice');
 *     for (const { prefix, identity } of datapath.addresses()) …
 *
 * All methods throw DatapathError: `nothing-pinned`, or `refused` where this process must not read them.
 */
export class PinnedDatapath {
  readonly #folder: string;

  /** @param pinFolder in a BPF file system */
  constructor(pinFolder: string) {
    this.#folder = pinFolder;
  }

  /** Whose each address is, in no order. */
  addresses(): readonly AddressEntry[] {
    using map = this.#open('addresses', ...CODECS.addresses);
    return Array.from(readAddresses(map), ([prefix, identity]) => ({ prefix, identity }));
  }

  /** Pods, by the numbers of the devices that lead to them. */
  endpoints(): ReadonlyMap<number, Endpoint> {
    using endpoints = this.#open('endpoints', ...CODECS.endpoints);
    using addresses = this.#open('endpoint_addresses', ...CODECS.endpoint_addresses);
    return readEndpoints(endpoints, addresses);
  }

  /** By their subjects. */
  policies(): readonly WrittenPolicy[] {
    using subjects = this.#open('subjects', ...CODECS.subjects);
    using tries = this.#open('verdicts', u32, u32);
    return Array.from(subjects.entries(), ([subject, { default_deny, audits }]) => ({
      subject,
      defaultDeny: { ingress: default_deny[0] === 1, egress: default_deny[1] === 1 },
      audits: audits === 1,
      verdicts: this.#verdicts(tries, subject),
    })).sort((a, b) => a.subject - b.subject);
  }

  /** Listeners of slots, by their ports. */
  redirects(): readonly Redirect[] {
    using map = this.#open('redirects', ...CODECS.redirects);
    return [...readRedirects(map).values()].sort((a, b) => a.port - b.port);
  }

  /** Addresses of Services that listeners take, in no order. */
  taken(): readonly TakenAddress[] {
    using map = this.#open('taken_services', ...CODECS.taken_services);
    return readTaken(map);
  }

  /** Those that are remembered, some of which may be over; in no order. */
  *connections(): Generator<Connection> {
    using map = this.#open('connections', ...CODECS.connections);
    yield* readConnections(map);
  }

  /** What became of packets, since the tables were made. */
  counters(): readonly Counter[] {
    using map = this.#open('counters', ...CODECS.counters);
    return readCounters(map);
  }

  #verdicts(tries: BpfMap<Identity, number>, subject: Identity): WrittenVerdict[] {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const id = tries.get(subject);
      if (id === undefined) return [];
      // A new one is in force before it has the name of the old one.
      for (const name of [`${subject}_new`, String(subject)]) {
        using trie = this.#trie(name);
        if (trie?.id === id) return Array.from(trie.entries(), ([key, value]) => decodeVerdict(key, value)).sort(compareVerdicts);
      }
    }
    return [];
  }

  #trie(name: string): Trie | undefined {
    try {
      return openMap(join(trieFolder(this.#folder), name), verdict_key, verdict);
    } catch (error) {
      if (error instanceof BpfError && error.errnoName === 'ENOENT') return undefined;
      throw this.#wrap(error);
    }
  }

  #open<K, V>(name: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V> & Disposable {
    try {
      return openMap(join(this.#folder, name), key, value);
    } catch (error) {
      throw this.#wrap(error);
    }
  }

  #wrap(error: unknown): unknown {
    if (!(error instanceof BpfError)) return error;
    if (error.errnoName === 'ENOENT')
      return new DatapathError('nothing-pinned', `nothing judges packets here: there are no tables in ${this.#folder}`, { cause: error });
    return new DatapathError('refused', `the tables in ${this.#folder} cannot be read`, { cause: error });
  }
}

function compareVerdicts(a: WrittenVerdict, b: WrittenVerdict): number {
  if (a.direction !== b.direction) return a.direction === 'ingress' ? -1 : 1;
  return a.peer - b.peer || a.protocol - b.protocol || a.port - b.port || a.portPrefixLength - b.portPrefixLength;
}
