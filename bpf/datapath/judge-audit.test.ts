import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ANY, IP_PROTOCOLS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { type FlowEvent, type Outcome, PinnedDatapath } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LOOPBACK, OPEN, openBut, verdict, WEB } from './testing/judged.ts';
import { packet, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { SYN, ACK } = TCP;
const { TCP: TCP_NUMBER, UDP } = IP_PROTOCOLS;
const PORT = 80;
const SLOT = 10_001;
const AUDITED = { audits: true } as const;
const GRE = 47;
let ports = 40_000;

describe('pods in audit mode', needs('root', 'bpf'), () => {
  let judged: Judged;
  let port = 0;
  before(async () => {
    judged = await Judged.open();
  });
  after(() => judged?.[Symbol.dispose]());
  beforeEach(() => {
    ports += 1;
    port = ports;
  });

  for (const family of [0, 1] as const) {
    const [web, client] = [ADDRESSES.web[family], ADDRESSES.client[family]];
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const segment = (flags: number) => packet({ from: client, to: web, protocol: TCP_NUMBER }, tcp(port, PORT, flags));
    const see = (flags: number): Outcome => judged.outcomeOf('to_pod', segment(flags));

    test(`receive what policy denies, ${version}`, async () => {
      for (const policy of [CLOSED, openBut(verdict('deny', CLIENT)), closedBut(verdict('deny', ANY), allow(CLIENT))]) {
        await judged.setPolicy(policy, CLOSED);
        assert.equal(see(SYN).slice(0, 7), 'dropped');
        await judged.setPolicy(policy, CLOSED, AUDITED);
        port = ports += 1;
        assert.equal(see(SYN), 'passed-audited');
        assert.equal(see(ACK), 'passed-known', 'told of once');
        const answer = packet({ from: web, to: client, protocol: TCP_NUMBER }, tcp(PORT, port, SYN | ACK));
        assert.equal(judged.outcomeOf('from_pod', answer), 'passed-reply');
      }
    });

    test(`send what policy denies, ${version}`, async () => {
      await judged.setPolicy(OPEN, CLOSED, AUDITED);
      const datagram = packet({ from: web, to: client, protocol: UDP }, udp(port, PORT));
      assert.equal(judged.outcomeOf('from_pod', datagram), 'passed-audited');
      assert.equal(judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol: GRE }, new Uint8Array(8))), 'passed-audited');
    });

    test(`are not told of for what policy allows, ${version}`, async () => {
      await judged.setPolicy(closedBut(allow(CLIENT, PORT)), CLOSED, AUDITED);
      assert.equal(see(SYN), 'passed-allowed');
    });

    test(`still send nothing with an address of others, ${version}`, async () => {
      await judged.setPolicy(OPEN, CLOSED, AUDITED);
      const disguised = packet({ from: ADDRESSES.other[family], to: client, protocol: UDP }, udp(port, PORT));
      assert.equal(judged.outcomeOf('from_pod', disguised), 'dropped-spoofed');
    });

    test(`do without a slot that cannot decide, ${version}`, async () => {
      await judged.datapath.redirects.set([{ slot: 'http', port: SLOT, ready: false }]);
      await judged.setPolicy(closedBut(verdict('slot', CLIENT, TCP_NUMBER, PORT)), CLOSED, AUDITED);
      assert.equal(see(SYN), 'passed-audited');
      await judged.datapath.redirects.set([{ slot: 'http', port: SLOT, ready: true }]);
      port = ports += 1;
      assert.equal(see(SYN), 'passed-audited', 'nothing steers');
      judged.datapath.attachSteering(LOOPBACK);
      port = ports += 1;
      assert.equal(see(SYN), 'passed-steered');
      judged.datapath.detachSteering();
    });

    test(`come to be denied when audit mode ends, and no longer when it begins, also on open connections, ${version}`, async () => {
      await judged.setPolicy(CLOSED, CLOSED, AUDITED);
      assert.equal(see(SYN), 'passed-audited');
      await judged.setPolicy(CLOSED, CLOSED);
      assert.equal(see(ACK), 'dropped-not-allowed');
      await judged.setPolicy(CLOSED, CLOSED, AUDITED);
      assert.equal(see(ACK), 'passed-audited', 'told of again');
      assert.equal(see(ACK), 'passed-known');
    });
  }

  test('are told of where it would have been dropped, with who it was', async () => {
    const [web, client] = [ADDRESSES.web[0], ADDRESSES.client[0]];
    await judged.setPolicy(CLOSED, CLOSED, AUDITED);
    judged.datapath.setMonitor('drops', 1_000);
    const flows = judged.datapath.flows();
    const next = flows.next();
    judged.outcomeOf('to_pod', packet({ from: client, to: web, protocol: TCP_NUMBER }, tcp(port, PORT, SYN)));
    let told: FlowEvent | undefined;
    for (let result = await next; !result.done; result = await flows.next()) {
      if (result.value.remotePort !== port) continue;
      told = result.value;
      break;
    }
    await flows.return();
    const { kind, outcome, subject, peer, direction, remoteAddress } = told ?? {};
    assert.deepEqual(
      { kind, outcome, subject, peer, direction, remoteAddress },
      { kind: 'audited', outcome: 'passed-audited', subject: WEB, peer: CLIENT, direction: 'ingress', remoteAddress: client },
    );
  });

  test('are read as such from the kernel', async () => {
    await judged.setPolicy(CLOSED, OPEN, AUDITED);
    assert.deepEqual(
      new PinnedDatapath('/sys/fs/bpf/sluice').policies().map(({ subject, audits }) => ({ subject, audits })),
      [{ subject: WEB, audits: true }],
    );
  });
});
