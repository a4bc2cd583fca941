import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { type FlowEvent, OUTCOMES, type TakenService } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LOOPBACK, OPEN, verdict, WEB } from './testing/judged.ts';
import { icmp, packet, sctp, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { SYN, ACK, FIN, RST } = TCP;
const { TCP: TCP_NUMBER, UDP, SCTP, ICMP, ICMPv6 } = IP_PROTOCOLS;
const PORT = 80;
const [LISTENER, OTHER_LISTENER, COPY] = [10_001, 10_002, 10_003];
const FRONTENDS = ['10.96.0.7', 'fd00:96::7'] as const;
/** As in `bpf/programs/proxy.h`. */
const KINDS = { toSteer: 0x300, egressListener: 0x900, ingressListener: 0xa00, egressUpstream: 0xb00, openedForPod: 0xd02 } as const;
const HEADING_OUT = 1;
const TAKEN: TakenService = { frontends: FRONTENDS.map((address) => ({ address, port: PORT })), port: LISTENER, ready: true };
let ports = 30_000;

function markOf(kind: number, port: number): number {
  return (port * 0x10000 + kind) >>> 0;
}

describe('connections to Services that a listener takes', needs('root', 'bpf'), () => {
  const cleanUp = new DisposableStack();
  let judged: Judged;
  let port = 0;
  before(async () => {
    const cgroup = cleanUp.use(new Cgroup());
    judged = cleanUp.use(await Judged.open());
    await judged.setPolicy(CLOSED, CLOSED);
    judged.datapath.attachSteering(LOOPBACK);
    await judged.datapath.taken.set([TAKEN]);
    assert.equal(judged.outcomeOf('from_pod', segment(0, SYN)), 'dropped-listener', 'nothing judges what Envoy opens');
    judged.datapath.ingress.attach(cgroup.folder);
  });
  after(() => cleanUp.dispose());
  beforeEach(async () => {
    ports += 1;
    port = ports;
    await judged.setPolicy(CLOSED, CLOSED);
    await judged.datapath.taken.set([TAKEN]);
    await judged.datapath.takenForClients.set([]);
  });
  afterEach(() => judged.datapath.attachSteering(LOOPBACK));

  /** Of a connection that the pod opens. */
  function segment(family: 0 | 1, flags: number, to = PORT): Uint8Array {
    return packet({ from: ADDRESSES.web[family], to: FRONTENDS[family], protocol: TCP_NUMBER }, tcp(port, to, flags));
  }

  for (const family of [0, 1] as const) {
    const [web, client, host] = [ADDRESSES.web[family], ADDRESSES.client[family], ADDRESSES.host[family]];
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const ip = { from: web, to: FRONTENDS[family] };
    const sent = (flags: number) => judged.outcomeOf('from_pod', segment(family, flags));
    const back = packet({ from: FRONTENDS[family], to: web, protocol: TCP_NUMBER }, tcp(PORT, 0, SYN | ACK));
    const answered = (mark: number, flags = SYN | ACK) => {
      const bytes = packet({ from: FRONTENDS[family], to: web, protocol: TCP_NUMBER }, tcp(PORT, port, flags));
      assert.equal(bytes.byteLength, back.byteLength);
      return judged.outcomeOf('to_pod', bytes, mark);
    };

    test(`go to it, whatever policy says, and are answered by it alone, ${version}`, async () => {
      for (const egress of [CLOSED, OPEN, closedBut(verdict('deny', 0)), closedBut(verdict('slot', 0, TCP_NUMBER, PORT))]) {
        port = ports += 1;
        await judged.setPolicy(CLOSED, egress);
        assert.equal(sent(SYN), 'passed-steered');
        assert.equal(judged.datapath.testRun('from_pod', segment(family, SYN)).mark, markOf(KINDS.toSteer | HEADING_OUT, LISTENER));
        for (const kind of [0, 0xf00, KINDS.ingressListener, KINDS.egressUpstream, KINDS.openedForPod])
          assert.equal(answered(markOf(kind, LISTENER)), 'dropped-beside-proxy', kind.toString(16));
        assert.equal(answered(markOf(KINDS.egressListener, LISTENER)), 'passed-reply');
        assert.equal(sent(ACK), 'passed-steered');
        assert.equal(sent(FIN | ACK), 'passed-steered');
      }
    });

    test(`are dropped where it is not there, or nothing steers, also in audit mode, ${version}`, async () => {
      for (const flags of [{}, { audits: true }] as const) {
        await judged.setPolicy(OPEN, OPEN, flags);
        await judged.datapath.taken.set([{ ...TAKEN, ready: false }]);
        for (const what of [SYN, ACK, RST]) assert.equal(sent(what), 'dropped-listener');
        await judged.datapath.taken.set([TAKEN]);
        judged.datapath.detachSteering();
        for (const what of [SYN, ACK]) assert.equal(sent(what), 'dropped-listener');
        judged.datapath.attachSteering(LOOPBACK);
        assert.equal(sent(SYN), 'passed-steered');
        port = ports += 1;
      }
    });

    test(`are its as long as they are open, and new ones are not, where their Service is not taken any more, or by another, ${version}`, async () => {
      const open = () => {
        port = ports += 1;
        assert.deepEqual(
          [sent(SYN), answered(markOf(KINDS.egressListener, LISTENER)), sent(ACK)],
          ['passed-steered', 'passed-reply', 'passed-steered'],
        );
      };
      const slotOf = () => judged.datapath.testRun('from_pod', segment(family, ACK)).mark >>> 16;
      for (const [changed, outcome] of [
        [[], 'dropped-not-allowed'],
        [[{ ...TAKEN, ready: false }], 'dropped-listener'],
        [[{ ...TAKEN, port: OTHER_LISTENER }], 'passed-steered'],
      ] as const) {
        await judged.datapath.taken.set([TAKEN]);
        open();
        await judged.datapath.taken.set(changed);
        await judged.setPolicy(CLOSED, CLOSED);
        assert.deepEqual([sent(ACK), slotOf()], ['passed-steered', LISTENER]);
        assert.equal(answered(markOf(KINDS.egressListener, LISTENER), ACK), 'passed-reply');
        assert.equal(sent(SYN), outcome, 'the same ports are used again');
        port = ports += 1;
        assert.equal(sent(SYN), outcome);
      }
    });

    test(`go to the copy that their client meets, as long as the listener takes the Service, ${version}`, async () => {
      const { taken, takenForClients } = judged.datapath;
      const met = (identity: number, to: number) => ({ address: FRONTENDS[family], port: to, identity, listener: COPY });
      const steeredTo = () => {
        port = ports += 1;
        assert.equal(sent(SYN), 'passed-steered');
        return judged.datapath.testRun('from_pod', segment(family, SYN)).mark >>> 16;
      };
      await takenForClients.set([met(WEB, PORT)]);
      assert.equal(steeredTo(), COPY);
      assert.deepEqual([answered(markOf(KINDS.egressListener, COPY)), sent(ACK)], ['passed-reply', 'passed-steered']);
      const [open, slotOf] = [port, () => judged.datapath.testRun('from_pod', segment(family, ACK)).mark >>> 16];
      for (const other of [[], [met(WEB + 1, PORT)], [met(WEB, PORT + 1)]]) {
        await takenForClients.set(other);
        assert.equal(steeredTo(), LISTENER);
      }
      port = open;
      await judged.setPolicy(CLOSED, CLOSED);
      assert.equal(slotOf(), COPY, 'what is open stays with it');
      await takenForClients.set([met(WEB, PORT)]);
      await taken.set([{ ...TAKEN, ready: false }]);
      port = ports += 1;
      assert.equal(sent(SYN), 'dropped-listener');
      await taken.set([]);
      assert.equal(sent(SYN), 'dropped-not-allowed');
    });

    test(`of which nothing is known are its, ${version}`, async () => {
      await judged.setPolicy(OPEN, OPEN);
      assert.equal(sent(ACK), 'passed-steered');
      port = ports += 1;
      assert.equal(answered(markOf(KINDS.egressListener, LISTENER), ACK), 'passed-reply');
      assert.equal(sent(ACK), 'passed-steered');
    });

    test(`that somebody else had end, and what answers passes until then, ${version}`, async () => {
      await judged.setPolicy(CLOSED, OPEN);
      await judged.datapath.taken.set([]);
      assert.deepEqual([sent(SYN), answered(0), sent(ACK)], ['passed-unrestricted', 'passed-reply', 'passed-known']);
      await judged.datapath.taken.set([TAKEN]);
      assert.deepEqual([sent(ACK), answered(0, ACK), sent(ACK)], ['passed-steered', 'passed-reply', 'passed-steered']);
    });

    test(`are of TCP, to its port, and whole, ${version}`, async () => {
      await judged.setPolicy(CLOSED, OPEN);
      const echo = family === 0 ? { protocol: ICMP, type: 8 } : { protocol: ICMPv6, type: 128 };
      for (const [what, bytes] of [
        ['UDP', packet({ ...ip, protocol: UDP }, udp(port, PORT))],
        ['SCTP', packet({ ...ip, protocol: SCTP }, sctp(port, PORT))],
        ['an echo', packet({ ...ip, protocol: echo.protocol }, icmp(echo.type))],
        ['another port', segment(family, SYN, PORT + 1)],
        ['another address', packet({ from: web, to: client, protocol: TCP_NUMBER }, tcp(port, PORT, SYN))],
      ] as const)
        assert.match(judged.outcomeOf('from_pod', bytes), /^passed-(unrestricted|known)$/, what);
      const fragment = { id: port, offset: 0, hasMore: true };
      assert.equal(
        judged.outcomeOf('from_pod', packet({ ...ip, protocol: TCP_NUMBER, fragment }, tcp(port, PORT, SYN))),
        'dropped-fragment',
      );
    });

    test(`are a pod's that the agent knows, with its own address, ${version}`, async () => {
      const foreign = packet({ ...ip, from: client, protocol: TCP_NUMBER }, tcp(port, PORT, SYN));
      assert.equal(judged.outcomeOf('from_pod', foreign), 'dropped-spoofed');
      await judged.datapath.verdicts.remove([1000]);
      assert.equal(sent(SYN), 'dropped-no-policy');
    });

    test(`have Envoy open others, which are not the node's where somebody took the client's address away, ${version}`, async () => {
      const opened = (from: string, flags: number, mark: number) =>
        judged.outcomeOf('to_pod', packet({ from, to: web, protocol: TCP_NUMBER }, tcp(port, PORT, flags)), mark);
      const mark = markOf(KINDS.openedForPod, LISTENER);
      assert.equal(opened(host, SYN, 0), 'passed-host');
      port = ports += 1;
      assert.equal(opened(host, SYN, mark), 'dropped-not-allowed');
      await judged.setPolicy(closedBut(allow(RESERVED_IDENTITIES.ingress)), OPEN);
      assert.equal(opened(host, SYN, mark), 'dropped-not-allowed');
      await judged.setPolicy(closedBut(allow(CLIENT, PORT)), CLOSED);
      assert.equal(opened(client, SYN, mark), 'passed-allowed');
      await judged.setPolicy(CLOSED, OPEN);
      port = ports += 1;
      assert.equal(opened(client, ACK, mark), 'dropped-not-allowed', 'Envoy opened it, of which nothing is known');
    });

    test(`are told of with the listener's port, ${version}`, async () => {
      judged.datapath.setMonitor('connections', 1_000);
      const flows = judged.datapath.flows();
      const next = flows.next();
      sent(SYN);
      await judged.datapath.taken.set([{ ...TAKEN, ready: false }]);
      sent(SYN);
      const told: FlowEvent[] = [];
      for (let result = await next; !result.done; result = await flows.next()) {
        if (result.value.localPort !== port) continue;
        told.push(result.value);
        if (result.value.kind === 'dropped') break;
      }
      await flows.return();
      judged.datapath.setMonitor('drops');
      assert.deepEqual(
        told.map(({ kind, outcome, slot }) => [kind, outcome, slot]),
        [
          ['begun', 'passed-steered', LISTENER],
          ['dropped', 'dropped-listener', 0],
        ],
      );
    });
  }

  test('have an outcome of their own where they are dropped', () => {
    assert.equal(OUTCOMES.at(-1), 'dropped-listener');
  });
});
