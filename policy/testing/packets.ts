import type { Packet } from '../oracle/judge.ts';
import type { PlainObject } from '../oracle/objects.ts';
import { nodesOf, podsOf } from '../oracle/parties.ts';
import { OUTSIDE, UNKNOWN } from './random-world.ts';
import { PORTS } from './vocabulary.ts';

/** Addresses of everybody who may send or receive in a world. */
export function addressesIn(objects: readonly PlainObject[]): Record<4 | 6, readonly string[]> {
  const pods = podsOf(objects).flatMap(({ status }) => (status.podIPs ?? []).map(({ ip }) => ip));
  const nodes = nodesOf(objects).flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address));
  const all = [...new Set([...pods, ...nodes])];
  return {
    4: [...all.filter((address) => !address.includes(':')), ...OUTSIDE[4], UNKNOWN[4]],
    6: [...all.filter((address) => address.includes(':')), ...OUTSIDE[6], UNKNOWN[6]],
  };
}

const CONVERSATIONS: readonly Pick<Packet, 'protocol' | 'port'>[] = [
  ...PORTS.flatMap((port) => [
    { protocol: 'TCP', port },
    { protocol: 'UDP', port },
  ]),
  { protocol: 'SCTP', port: 80 },
  { protocol: 'SCTP', port: 8080 },
];

/** Every packet that differs for a rule: between any two of a family, of each protocol to each port. */
export function* packetsIn(objects: readonly PlainObject[]): Iterable<Packet> {
  const addresses = addressesIn(objects);
  for (const family of [4, 6] as const) {
    const echo = family === 4 ? { protocol: 'ICMP', port: 8 } : { protocol: 'ICMPv6', port: 128 };
    for (const from of addresses[family]) {
      for (const to of addresses[family]) if (from !== to) for (const talk of [...CONVERSATIONS, echo]) yield { from, to, ...talk };
    }
  }
}
