import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { ANY, IP_PROTOCOLS, RESERVED_IDENTITIES, type Verdict } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { FlowEvent, Outcome, ProgramName } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LOOPBACK, OPEN, verdict } from './testing/judged.ts';
import { packet, sctp, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { SYN, ACK, RST, FIN } = TCP;
const { UDP, SCTP, ICMP } = IP_PROTOCOLS;
const TCP_NUMBER = 6;
const PORT = 80;
const [SLOT, OTHER_SLOT] = [10_001, 10_002];
/** As in `bpf/programs/proxy.h`. */
const KINDS = { toSteer: 0x300, egressListener: 0x900, ingressListener: 0xa00, egressUpstream: 0xb00, ingressUpstream: 0xc00 } as const;
const HEADING_OUT = 1;
let ports = 30_000;

function markOf(kind: number, slot: number): number {
  return (slot * 0x10000 + kind) >>> 0;
}

function toSlot(peer: number = CLIENT, protocol: number = TCP_NUMBER, port = PORT): Verdict {
  return verdict('slot', peer, protocol, port);
}

describe('connections on which slots decide', needs('root', 'bpf'), () => {
  let judged: Judged;
  let port = 0;
  before(async () => {
    judged = await Judged.open();
    judged.datapath.attachSteering(LOOPBACK);
  });
  after(() => judged?.[Symbol.dispose]());
  beforeEach(async () => {
    ports += 1;
    port = ports;
    await judged.datapath.redirects.set([
      { slot: 'http', port: SLOT, ready: true },
      { slot: 'other', port: OTHER_SLOT, ready: true },
    ]);
  });
  afterEach(() => judged.datapath.attachSteering(LOOPBACK));

  for (const family of [0, 1] as const) {
    const [web, client, host] = [ADDRESSES.web[family], ADDRESSES.client[family], ADDRESSES.host[family]];
    const version = family === 0 ? 'IPv4' : 'IPv6';

    /** A segment between `web` and the client; the port of who opened it is that of the test. */
    const bytesOf = (direction: 'in' | 'out', flags: number, opened: 'in' | 'out') => {
      const [webPort, clientPort] = opened === 'in' ? [PORT, port] : [port, PORT];
      return direction === 'in'
        ? packet({ from: client, to: web, protocol: TCP_NUMBER }, tcp(clientPort, webPort, flags))
        : packet({ from: web, to: client, protocol: TCP_NUMBER }, tcp(webPort, clientPort, flags));
    };
    const programOf = (direction: 'in' | 'out'): ProgramName => (direction === 'in' ? 'to_pod' : 'from_pod');
    const see = (direction: 'in' | 'out', flags: number, opened: 'in' | 'out', mark = 0): Outcome =>
      judged.outcomeOf(programOf(direction), bytesOf(direction, flags, opened), mark);
    const markLeft = (direction: 'in' | 'out', flags: number, opened: 'in' | 'out'): number =>
      judged.datapath.testRun(programOf(direction), bytesOf(direction, flags, opened)).mark;

    test(`that a pod opens go to the slot, and are answered by it alone, ${version}`, async () => {
      await judged.setPolicy(CLOSED, closedBut(toSlot()));
      assert.equal(see('out', SYN, 'out'), 'passed-steered');
      assert.equal(markLeft('out', SYN, 'out'), markOf(KINDS.toSteer | HEADING_OUT, SLOT));
      for (const mark of [
        0,
        0xf00,
        ...[KINDS.ingressListener, KINDS.egressUpstream, KINDS.ingressUpstream].map((kind) => markOf(kind, SLOT)),
      ])
        assert.equal(see('in', SYN | ACK, 'out', mark), 'dropped-beside-proxy', mark.toString(16));
      assert.equal(see('in', SYN | ACK, 'out', markOf(KINDS.egressListener, SLOT)), 'passed-reply');
      assert.equal(see('out', ACK, 'out'), 'passed-steered');
      assert.equal(see('in', RST, 'out'), 'dropped-beside-proxy');
      assert.equal(see('in', RST, 'out', markOf(KINDS.egressListener, SLOT)), 'passed-reply');
    });

    test(`that are opened to a pod go to the slot, and only from there on, ${version}`, async () => {
      await judged.setPolicy(closedBut(toSlot()), CLOSED);
      for (const mark of [
        0,
        0xf00,
        markOf(KINDS.egressUpstream, SLOT),
        markOf(KINDS.egressListener, SLOT),
        markOf(KINDS.ingressListener, SLOT),
      ])
        assert.equal(see('in', SYN, 'in', mark), 'passed-steered', mark.toString(16));
      assert.equal(markLeft('in', SYN, 'in'), markOf(KINDS.toSteer, SLOT));
      assert.equal(see('in', SYN, 'in', markOf(KINDS.ingressUpstream, OTHER_SLOT)), 'dropped-other-slot');
      assert.equal(see('in', SYN, 'in', markOf(KINDS.ingressUpstream, SLOT)), 'passed-known');
      assert.equal(see('out', SYN | ACK, 'in'), 'passed-steered');
      assert.equal(markLeft('out', SYN | ACK, 'in'), markOf(KINDS.toSteer | HEADING_OUT, 0), 'to a socket that is there');
      assert.equal(see('in', ACK, 'in', markOf(KINDS.ingressUpstream, SLOT)), 'passed-known');
      assert.equal(see('in', ACK, 'in', markOf(KINDS.ingressUpstream, OTHER_SLOT)), 'dropped-other-slot');
    });

    test(`that Envoy opened by a slot which became another hear of their end, once, and of nothing else, ${version}`, async () => {
      await judged.setPolicy(closedBut(toSlot()), CLOSED);
      const former = markOf(KINDS.ingressUpstream, SLOT);
      assert.equal(see('in', SYN, 'in', former), 'passed-allowed');
      await judged.setPolicy(closedBut({ ...toSlot(), decision: { kind: 'slot', slot: 'other' } }), CLOSED);
      assert.equal(see('in', ACK, 'in', former), 'dropped-other-slot');
      assert.equal(see('in', FIN | ACK, 'in', former), 'dropped-other-slot');
      assert.equal(see('in', RST | ACK, 'in', former), 'passed-known');
      assert.equal(see('in', RST | ACK, 'in', former), 'dropped-other-slot');
      port = ports += 1;
      assert.equal(see('in', RST, 'in', former), 'dropped-other-slot', 'nothing was open');
    });

    test(`of which nothing is known are the slot's that holds for either side, ${version}`, async () => {
      await judged.setPolicy(OPEN, closedBut(toSlot()));
      assert.equal(see('in', ACK, 'out', markOf(KINDS.egressListener, SLOT)), 'passed-reply', 'the proxy answers who opened it');
      assert.equal(see('out', ACK, 'out'), 'passed-steered');
      port = ports += 1;
      assert.equal(see('out', ACK, 'out'), 'passed-steered', 'who opened it goes on');
      assert.equal(see('in', ACK, 'out'), 'dropped-beside-proxy');
      port = ports += 1;
      assert.equal(see('in', ACK, 'out'), 'passed-reply', 'it was open to the other itself');
      assert.equal(see('out', ACK, 'out'), 'passed-steered', 'and ends');
      await judged.setPolicy(closedBut(toSlot()), OPEN);
      port = ports += 1;
      assert.equal(see('out', ACK, 'in'), 'passed-reply', 'the same at the other side');
      assert.equal(see('in', ACK, 'in'), 'passed-steered');
      assert.equal(see('in', RST, 'in'), 'passed-known', 'whom it was opened to hears of the end');
      assert.equal(see('in', RST, 'in'), 'passed-steered', 'once');
    });

    test(`of a pod's own node pass, ${version}`, async () => {
      await judged.setPolicy(closedBut(toSlot(RESERVED_IDENTITIES.host)), CLOSED);
      const from = packet({ from: host, to: web, protocol: TCP_NUMBER }, tcp(port, PORT, SYN));
      assert.equal(judged.outcomeOf('to_pod', from), 'passed-host');
    });

    test(`are dropped where there is no listener, or none that is ready, ${version}`, async () => {
      await judged.setPolicy(closedBut(toSlot()), CLOSED);
      assert.equal(see('in', SYN, 'in'), 'passed-steered');
      await judged.datapath.redirects.set([{ slot: 'http', port: SLOT, ready: false }]);
      assert.equal(see('in', SYN, 'in'), 'dropped-slot');
      await judged.datapath.redirects.set([{ slot: 'http', port: SLOT, ready: true }]);
      assert.equal(see('in', SYN, 'in'), 'passed-steered');
      await judged.datapath.redirects.remove(['http']);
      assert.equal(see('in', SYN, 'in'), 'dropped-slot');
      await judged.datapath.redirects.set([{ slot: 'http', port: SLOT, ready: true }]);
      assert.equal(see('in', SYN, 'in'), 'passed-steered');
      judged.datapath.detachSteering();
      assert.equal(see('in', SYN, 'in'), 'dropped-slot');
    });

    test(`are of TCP, and whole, ${version}`, async () => {
      const others = [UDP, SCTP].map((protocol) => toSlot(CLIENT, protocol));
      await judged.setPolicy(closedBut(toSlot(), ...others, verdict('slot', CLIENT, ANY)), CLOSED);
      const ip = { from: client, to: web };
      for (const [what, bytes] of [
        ['UDP', packet({ ...ip, protocol: UDP }, udp(port, PORT))],
        ['SCTP', packet({ ...ip, protocol: SCTP }, sctp(port, PORT))],
        ['another port of UDP', packet({ ...ip, protocol: UDP }, udp(port, PORT + 1))],
        ['another protocol', packet({ ...ip, protocol: 50 }, new Uint8Array(16))],
      ] as const)
        assert.equal(judged.outcomeOf('to_pod', bytes), 'dropped-slot', what);
      assert.equal(see('in', SYN, 'in'), 'passed-steered');
      const fragment = (offset: number, hasMore: boolean) =>
        packet({ ...ip, protocol: TCP_NUMBER, fragment: { id: port, offset, hasMore } }, tcp(port, PORT, ACK));
      assert.equal(judged.outcomeOf('to_pod', fragment(0, true)), 'dropped-fragment');
      assert.equal(judged.outcomeOf('to_pod', fragment(24, false)), 'dropped-fragment');
    });

    test(`do not touch what is beside them, ${version}`, async () => {
      const icmp = family === 0 ? ICMP : IP_PROTOCOLS.ICMPv6;
      await judged.setPolicy(closedBut(toSlot(), allow(CLIENT, PORT, UDP), verdict('allow', CLIENT, icmp)), CLOSED);
      const [there, back] = [
        { from: client, to: web, protocol: UDP },
        { from: web, to: client, protocol: UDP },
      ];
      assert.equal(judged.outcomeOf('to_pod', packet(there, udp(port, PORT))), 'passed-allowed');
      assert.equal(judged.outcomeOf('from_pod', packet(back, udp(PORT, port))), 'passed-reply');
      const fragment = { id: port, offset: 0, hasMore: true };
      assert.equal(judged.outcomeOf('to_pod', packet({ ...there, fragment }, udp(port, PORT))), 'passed-known');
      assert.equal(
        judged.outcomeOf('to_pod', packet({ ...there, fragment: { ...fragment, offset: 16, hasMore: false } }, new Uint8Array(8))),
        'passed-known',
      );
    });

    test(`are told of with the slot's port, ${version}`, async () => {
      await judged.setPolicy(closedBut(toSlot()), OPEN);
      judged.datapath.setMonitor('connections', 1_000);
      const flows = judged.datapath.flows();
      const next = flows.next();
      see('in', SYN, 'in');
      see('in', FIN | ACK, 'in');
      see('in', SYN, 'in', markOf(KINDS.ingressUpstream, OTHER_SLOT));
      const told: FlowEvent[] = [];
      for (let result = await next; !result.done; result = await flows.next()) {
        // Of what came before is told as well.
        if (result.value.remotePort !== port) continue;
        told.push(result.value);
        if (result.value.kind === 'dropped') break;
      }
      await flows.return();
      judged.datapath.setMonitor('drops');
      assert.deepEqual(
        told.map(({ kind, outcome, slot }) => [kind, outcome, slot]),
        [
          ['begun', 'passed-steered', SLOT],
          ['ended', 'passed-steered', SLOT],
          ['begun', 'passed-steered', SLOT],
          ['dropped', 'dropped-other-slot', SLOT],
        ],
      );
      assert.ok([...judged.datapath.connections()].some(({ remotePort, slot }) => remotePort === port && slot === SLOT));
    });
  }
});
