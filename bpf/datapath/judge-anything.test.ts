import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { Outcome, ProgramName } from './index.ts';
import { ADDRESSES, CLOSED, Judged } from './testing/judged.ts';
import { arp, echo, type Ip, icmp, ipHeader, neighbour, packet, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const RUNS = 20_000;
const [WEB4, WEB6] = ADDRESSES.web;
const [CLIENT4, CLIENT6] = ADDRESSES.client;

/** What passes a pod that is closed both ways. */
const PASSES: readonly Outcome[] = ['passed-link', 'passed-itself'];

const quoted = ipHeader({ from: WEB4, to: CLIENT4, protocol: 6 }, tcp(1, 2, TCP.ACK));
const ips: readonly Omit<Ip, 'protocol'>[] = [
  { from: WEB4, to: CLIENT4 },
  { from: WEB6, to: CLIENT6 },
  { from: WEB4, to: CLIENT4, options: new Uint8Array(12).fill(1) },
  { from: WEB6, to: CLIENT6, extensions: [0, 43, 60].map((type) => ({ type, bytes: new Uint8Array(8) })) },
  { from: WEB4, to: CLIENT4, fragment: { id: 7, offset: 64, hasMore: true } },
  { from: WEB6, to: CLIENT6, fragment: { id: 7, offset: 0, hasMore: true } },
];
const payloads: readonly (readonly [number, Uint8Array])[] = [
  [6, tcp(1, 2, TCP.SYN)],
  [17, udp(53, 53)],
  [1, echo(8, 9)],
  [58, echo(128, 9)],
  [1, icmp(3, new Uint8Array(4), quoted)],
  [58, neighbour(136, WEB6)],
  [132, new Uint8Array(32)],
];
const wholes = [
  arp(WEB4, CLIENT4),
  ...ips.flatMap((ip) =>
    payloads.flatMap(([protocol, payload]) => [
      packet({ ...ip, protocol }, payload),
      packet({ ...ip, from: ip.to, to: ip.from, protocol }, payload),
    ]),
  ),
];

const mutation = fc.record({ at: fc.nat(120), value: fc.nat(255) });
const packets = fc
  .record({ whole: fc.constantFrom(...wholes), mutations: fc.array(mutation, { maxLength: 6 }), cut: fc.nat(60), isCut: fc.boolean() })
  .map(({ whole, mutations, cut, isCut }) => {
    const bytes = whole.slice();
    for (const { at, value } of mutations) if (at < bytes.byteLength) bytes[at] = value;
    return isCut ? bytes.subarray(0, Math.max(14, bytes.byteLength - cut)) : bytes;
  });

describe('whatever a packet is', needs('root'), () => {
  let judged: Judged;
  before(async () => {
    judged = await Judged.open({ monitor: 'nothing' });
    await judged.setPolicy(CLOSED, CLOSED);
  });
  after(() => judged[Symbol.dispose]());

  for (const program of ['from_pod', 'to_pod'] satisfies ProgramName[]) {
    test(`${program} lets nothing pass a closed pod but what a link needs`, () => {
      let ran = 0;
      fc.assert(
        fc.property(packets, (bytes) => {
          try {
            judged.datapath.testRun(program, bytes);
            ran += 1;
          } catch (error) {
            // The kernel runs no program on a packet without the header that its type promises.
            assert.match(String(error), /EINVAL/);
          }
        }),
        { numRuns: RUNS },
      );
      const direction = program === 'from_pod' ? 'egress' : 'ingress';
      const counted = judged.datapath.counters().filter((counter) => counter.direction === direction);
      assert.equal(
        counted.reduce((sum, { packets: count }) => sum + count, 0n),
        BigInt(ran),
        'each has one outcome',
      );
      const passed = counted.map(({ outcome }) => outcome).filter((outcome) => outcome.startsWith('passed-') && !PASSES.includes(outcome));
      assert.deepEqual(passed, []);
      assert.deepEqual([...judged.datapath.connections()], [], 'and nothing is remembered');
    });
  }
});
