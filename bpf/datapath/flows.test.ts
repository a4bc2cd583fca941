import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { FlowEvent } from './index.ts';
import { ADDRESSES, allow, CLIENT, closedBut, Judged, LOOPBACK, OPEN, WEB } from './testing/judged.ts';
import { echo, packet, TCP, tcp } from './testing/packets.ts';

enterOwnNamespaces();

const [WEB4, WEB6] = ADDRESSES.web;
const [CLIENT4, CLIENT6] = ADDRESSES.client;
const [OTHER4, OTHER6] = ADDRESSES.other;
const { ICMP, ICMPv6 } = IP_PROTOCOLS;
const LIMIT = 50;

describe('what is told of flows', needs('root'), () => {
  let judged: Judged;
  let ports = 1_000;
  before(async () => {
    judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80), allow(CLIENT, 8, ICMP), allow(CLIENT, 128, ICMPv6)), OPEN);
  });
  after(() => judged[Symbol.dispose]());

  const incoming = (port: number, flags: number, to = 80) => packet({ from: CLIENT4, to: WEB4, protocol: 6 }, tcp(port, to, flags));
  const outgoing = (port: number, flags: number) => packet({ from: WEB4, to: CLIENT4, protocol: 6 }, tcp(80, port, flags));

  /** What is told while something happens, up to a last drop, which is told if drops are. */
  async function toldOf(happen: () => void): Promise<readonly FlowEvent[]> {
    return (await observed(happen)).told;
  }

  async function observed(happen: () => void): Promise<{ readonly told: readonly FlowEvent[]; readonly beyondLimit: bigint }> {
    const flows = judged.datapath.flows();
    const told: FlowEvent[] = [];
    let next = flows.next();
    happen();
    judged.datapath.setMonitor('drops', 1_000);
    judged.datapath.testRun('to_pod', incoming(9, TCP.SYN, 9));
    for (;;) {
      const { done, value } = await next;
      if (done || value.localPort === 9) break;
      told.push(value);
      next = flows.next();
    }
    const { beyondLimit } = flows;
    await flows.return();
    return { told, beyondLimit };
  }

  /** A whole connection, with a drop in the middle. */
  function converse(): void {
    ports += 1;
    for (const [program, bytes] of [
      ['to_pod', incoming(ports, TCP.SYN)],
      ['from_pod', outgoing(ports, TCP.SYN | TCP.ACK)],
      ['to_pod', incoming(ports, TCP.SYN, 81)],
      ['to_pod', incoming(ports, TCP.FIN | TCP.ACK)],
      ['from_pod', outgoing(ports, TCP.FIN | TCP.ACK)],
      ['to_pod', incoming(ports, TCP.ACK)],
    ] as const) {
      judged.datapath.testRun(program, bytes);
    }
  }

  test('are connections that begin and end, and drops, each once', async () => {
    judged.datapath.setMonitor('connections');
    const told = await toldOf(converse);
    const who = {
      ...{ ifindex: LOOPBACK, subject: WEB, peer: CLIENT, direction: 'ingress', protocol: 6, slot: 0 },
      ...{ localAddress: WEB4, remoteAddress: CLIENT4, remotePort: ports },
    };
    assert.deepEqual(
      told.map(({ time: _time, bytes: _bytes, ...rest }) => rest),
      [
        { ...who, kind: 'begun', outcome: 'passed-allowed', localPort: 80, packets: 1n },
        { ...who, kind: 'dropped', outcome: 'dropped-not-allowed', localPort: 81, packets: 1n },
        { ...who, kind: 'ended', outcome: 'passed-allowed', localPort: 80, packets: 4n },
      ],
    );
    assert.deepEqual(
      told.map(({ time }) => time),
      told.map(({ time }) => time).toSorted((a, b) => Number(a - b)),
    );
  });

  for (const [what, protocol, from, to, other, request, reply] of [
    ['ICMP', ICMP, CLIENT4, WEB4, OTHER4, 8, 0],
    ['ICMPv6', ICMPv6, CLIENT6, WEB6, OTHER6, 128, 129],
  ] as const) {
    test(`are messages of ${what} by their types, of which 0 is one`, async () => {
      judged.datapath.setMonitor('connections');
      const ping = packet({ from, to, protocol }, echo(request, 7));
      const told = await toldOf(() => {
        judged.datapath.testRun('to_pod', ping);
        judged.datapath.testRun('from_pod', packet({ from: to, to: from, protocol }, echo(reply, 7)));
        judged.datapath.testRun('to_pod', packet({ from: other, to, protocol }, echo(reply, 8)));
        judged.datapath.testRun('to_pod', ping.slice(0, -14));
      });
      assert.deepEqual(
        told.map(({ kind, outcome, icmpType }) => ({ kind, outcome, icmpType })),
        [
          { kind: 'begun', outcome: 'passed-allowed', icmpType: request },
          { kind: 'dropped', outcome: 'dropped-not-allowed', icmpType: reply },
          { kind: 'dropped', outcome: 'dropped-truncated', icmpType: undefined },
        ],
      );
    });
  }

  test('are drops only, or nothing, where that is what is wanted', async () => {
    judged.datapath.setMonitor('drops');
    assert.deepEqual(
      (await toldOf(converse)).map(({ kind }) => kind),
      ['dropped'],
    );
    judged.datapath.setMonitor('nothing');
    assert.deepEqual(await toldOf(converse), []);
  });

  test('are some of many drops, and how many more there were', async () => {
    const counted = () => judged.datapath.counters().find(({ outcome }) => outcome === 'dropped-not-allowed')?.packets ?? 0n;
    judged.datapath.setMonitor('drops', LIMIT);
    const before = counted();
    const { told, beyondLimit } = await observed(() => {
      for (let count = 0; count < 500; count += 1) judged.datapath.testRun('to_pod', incoming(count + 1, TCP.SYN, 81));
    });
    assert.equal(counted() - before, 501n);
    // So many in a second on each processor; a new one may begin meanwhile.
    assert.ok(told.length >= 1 && told.length < 500, `${told.length} told`);
    assert.equal(BigInt(told.length) + beyondLimit, 500n);
  });

  test('are not counted where nobody wants them', async () => {
    judged.datapath.setMonitor('nothing', 0);
    const { told, beyondLimit } = await observed(() => judged.datapath.testRun('to_pod', incoming(1, TCP.SYN, 81)));
    assert.deepEqual({ told, beyondLimit }, { told: [], beyondLimit: 0n });
  });

  test('are counted where there is no room for them', async () => {
    judged.datapath.setMonitor('connections');
    using flows = judged.datapath.flows();
    // Nobody reads meanwhile.
    const begun = 20_000;
    for (let count = 0; count < begun; count += 1) judged.datapath.testRun('to_pod', incoming(10_000 + count, TCP.SYN));
    const told = begun - Number(flows.lost);
    assert.ok(told > 0 && told < begun, `${told} told`);
    for (let count = 0; count < told; count += 1) assert.equal((await flows.next()).value?.kind, 'begun');
    judged.datapath.testRun('to_pod', incoming(9_999, TCP.SYN));
    assert.equal((await flows.next()).value?.remotePort, 9_999, 'nothing else was told');
    assert.equal(begun - Number(flows.lost), told);
  });
});
