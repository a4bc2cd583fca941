import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { Outcome, ProgramName } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, OPEN } from './testing/judged.ts';
import { arp, echo, ethernet, type Ip, icmp, neighbour, packet, sctp, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const [WEB4, WEB6] = ADDRESSES.web;
const [CLIENT4, CLIENT6] = ADDRESSES.client;

describe('first packets', needs('root'), () => {
  let judged: Judged;
  before(async () => {
    judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
  });
  after(() => judged[Symbol.dispose]());

  for (const [from, to] of [
    [CLIENT4, WEB4],
    [CLIENT6, WEB6],
  ] as const) {
    test(`${from} to ${to}`, () => {
      assert.equal(judged.outcomeOf('to_pod', packet({ from, to, protocol: 6 }, tcp(40_000, 80, TCP.SYN))), 'passed-allowed');
      assert.equal(
        judged.outcomeOf('from_pod', packet({ from: to, to: from, protocol: 6 }, tcp(80, 40_000, TCP.SYN | TCP.ACK))),
        'passed-reply',
      );
      assert.equal(judged.outcomeOf('to_pod', packet({ from, to, protocol: 6 }, tcp(40_000, 80, TCP.ACK))), 'passed-known');
      assert.equal(judged.outcomeOf('to_pod', packet({ from, to, protocol: 6 }, tcp(40_001, 81, TCP.SYN))), 'dropped-not-allowed');
    });
  }
});
