import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { TakenService } from './index.ts';
import { ADDRESSES, allow, CLOSED, closedBut, Judged, LOOPBACK, OPEN, OTHER, verdict } from './testing/judged.ts';
import { icmp, ipHeader, packet, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { SYN, ACK } = TCP;
const { TCP: TCP_NUMBER, UDP, ICMP, ICMPv6 } = IP_PROTOCOLS;
const PORT = 30_080;
const [LISTENER, OTHER_LISTENER] = [10_001, 10_002];
/** As in `bpf/programs/proxy.h`, of what goes out. */
const TO_STEER = 0x301;
let ports = 30_000;

function taken(more: Partial<TakenService> = {}, fromOutside = true): TakenService {
  return { frontends: ADDRESSES.host.map((address) => ({ address, port: PORT, fromOutside })), port: LISTENER, ready: true, ...more };
}

describe('packets from outside of the node to what a listener takes', needs('root', 'bpf'), () => {
  const cleanUp = new DisposableStack();
  let judged: Judged;
  let port = 0;
  before(async () => {
    const cgroup = cleanUp.use(new Cgroup());
    judged = cleanUp.use(await Judged.open());
    judged.datapath.attachSteering(LOOPBACK);
    const beginning = packet({ ...ipOf(0), fragment: { id: 1, offset: 0, hasMore: true } }, tcp(port, PORT, SYN).slice(0, 8));
    assert.equal(judged.datapath.testRun('from_network', beginning).isPassed, true, 'nobody looks while nothing is taken');
    await judged.datapath.taken.set([taken()]);
    assert.equal(outcomeOf(0, SYN), 'dropped-listener', 'nothing judges what Envoy opens');
    judged.datapath.ingress.attach(cgroup.folder);
    judged.datapath.ingress.setClient({ identity: OTHER, addresses: ADDRESSES.other, needsAddress: true });
  });
  after(() => cleanUp.dispose());
  beforeEach(async () => {
    ports += 1;
    port = ports;
    judged.datapath.attachSteering(LOOPBACK);
    await judged.setPolicy(OPEN, OPEN, { subject: OTHER });
    await judged.datapath.taken.set([taken()]);
  });

  function ipOf(family: 0 | 1) {
    return { from: ADDRESSES.world[family], to: ADDRESSES.host[family], protocol: TCP_NUMBER };
  }
  function segment(family: 0 | 1, flags: number, from: string = ADDRESSES.world[family]): Uint8Array {
    return packet({ ...ipOf(family), from }, tcp(port, PORT, flags));
  }
  function outcomeOf(family: 0 | 1, flags: number, from?: string) {
    return judged.outcomeOf('from_network', segment(family, flags, from));
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const ip = ipOf(family);
    const markOf = (flags: number) => judged.datapath.testRun('from_network', segment(family, flags)).mark;
    const listenerOf = (flags: number) => markOf(flags) >>> 16;

    test(`go to it, ${version}`, () => {
      for (const flags of [SYN, ACK]) assert.equal(outcomeOf(family, flags), 'passed-steered');
      assert.equal(markOf(SYN), LISTENER * 0x10000 + TO_STEER);
    });

    test(`are of TCP, to its port, and whole, ${version}`, () => {
      const fragment = { id: port, offset: 0, hasMore: true };
      for (const [what, bytes, outcome] of [
        ['UDP', packet({ ...ip, protocol: UDP }, udp(port, PORT)), 'passed-marked'],
        ['another port', packet(ip, tcp(port, PORT + 1, SYN)), 'passed-marked'],
        ['another address', packet({ ...ip, to: ADDRESSES.web[family] }, tcp(port, PORT, SYN)), 'passed-marked'],
        ['a part', packet({ ...ip, fragment }, tcp(port, PORT, SYN)), 'dropped-fragment'],
        ['a later part', packet({ ...ip, fragment: { ...fragment, offset: 64 } }, tcp(port, PORT, SYN)), 'passed-marked'],
        ['a part without flags', packet({ ...ip, fragment }, tcp(port, PORT, SYN).slice(0, 8)), 'dropped-truncated'],
      ] as const)
        assert.equal(judged.outcomeOf('from_network', bytes), outcome, what);
    });

    test(`are of anybody but pods of this node, and the node, ${version}`, () => {
      for (const [who, outcome] of [
        ['world', 'passed-steered'],
        ['unknown', 'passed-steered'],
        ['client', 'passed-steered'],
        ['web', 'dropped-spoofed'],
        ['host', 'dropped-martian'],
      ] as const)
        assert.equal(outcomeOf(family, SYN, ADDRESSES[who][family]), outcome, who);
    });

    test(`are of whom Ingresses let in, without a look at requests, ${version}`, async () => {
      assert.equal(outcomeOf(family, SYN), 'passed-steered');
      const world = RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];
      for (const [ingress, outcome] of [
        [CLOSED, 'dropped-not-allowed'],
        [closedBut(allow(world, PORT)), 'passed-steered'],
        [closedBut(allow(world, PORT + 1)), 'dropped-not-allowed'],
        [closedBut(verdict('deny', world)), 'dropped-denied'],
        [closedBut(verdict('slot', world, TCP_NUMBER, PORT)), 'dropped-slot'],
      ] as const) {
        await judged.setPolicy(ingress, OPEN, { subject: OTHER });
        assert.equal(outcomeOf(family, SYN), outcome);
        assert.equal(outcomeOf(family, ACK), outcome, 'it was open before');
      }
    });

    test(`are dropped where it is not there, or nothing steers, and others' where it has none from outside, ${version}`, async () => {
      await judged.datapath.taken.set([taken({ ready: false })]);
      assert.equal(outcomeOf(family, SYN), 'dropped-listener');
      for (const nobodys of [[], [taken({}, false)]]) {
        await judged.datapath.taken.set(nobodys);
        for (const flags of [SYN, ACK]) assert.equal(outcomeOf(family, flags), 'passed-marked');
      }
      await judged.datapath.taken.set([taken()]);
      assert.equal(outcomeOf(family, SYN), 'passed-steered');
      judged.datapath.detachSteering();
      for (const flags of [SYN, ACK]) assert.equal(outcomeOf(family, flags), 'dropped-listener');
    });

    test(`are its as long as they are open, and new ones are not, ${version}`, async () => {
      for (const [changed, outcome] of [
        [[], 'passed-marked'],
        [[taken({ ready: false })], 'dropped-listener'],
        [[taken({ port: OTHER_LISTENER })], 'passed-steered'],
      ] as const) {
        port = ports += 1;
        await judged.datapath.taken.set([taken()]);
        assert.equal(outcomeOf(family, SYN), 'passed-steered');
        await judged.datapath.taken.set(changed);
        assert.deepEqual([outcomeOf(family, ACK), listenerOf(ACK)], ['passed-steered', LISTENER]);
        port = ports += 1;
        assert.equal(outcomeOf(family, SYN), outcome);
      }
    });

    test(`are others' where these had them open, ${version}`, () => {
      assert.equal(outcomeOf(family, ACK), 'passed-marked');
      assert.equal(outcomeOf(family, SYN), 'passed-steered', 'the same ports are used again');
      assert.equal(outcomeOf(family, ACK), 'passed-steered');
    });

    test(`are somebody else's where the same ports are used again, ${version}`, async () => {
      assert.equal(outcomeOf(family, SYN), 'passed-steered');
      await judged.datapath.taken.set([]);
      assert.equal(outcomeOf(family, SYN), 'passed-marked');
      assert.equal(outcomeOf(family, ACK), 'passed-marked');
    });

    test(`may be errors about what it has sent, ${version}`, () => {
      const [protocol, type] = family === 0 ? [ICMP, 3] : [ICMPv6, 2];
      const about = (quoted: number) => {
        const sent = ipHeader({ from: ip.to, to: ip.from, protocol: TCP_NUMBER }, tcp(PORT, quoted, ACK));
        const bytes = packet({ from: ADDRESSES.unknown[family], to: ip.to, protocol }, icmp(type, new Uint8Array(4), sent));
        return judged.outcomeOf('from_network', bytes);
      };
      assert.equal(outcomeOf(family, SYN), 'passed-steered');
      assert.deepEqual([about(port), about(port + 1)], ['passed-steered', 'passed-marked']);
    });
  }
});
