import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import type { Outcome } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LOOPBACK, OPEN, OTHER, verdict } from './testing/judged.ts';
import { echo, icmp, ipHeader, packet, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { SYN, ACK, FIN, RST } = TCP;
const { ICMP, ICMPv6, UDP } = IP_PROTOCOLS;

let ports = 30_000;

describe('connections', needs('root'), () => {
  let judged: Judged;
  /** Of the client in this test. */
  let port = 0;
  before(async () => {
    judged = await Judged.open({ monitor: 'connections' });
  });
  beforeEach(() => {
    ports += 1;
    port = ports;
  });
  after(() => judged[Symbol.dispose]());

  for (const family of [0, 1] as const) {
    const [web, client, world] = [ADDRESSES.web[family], ADDRESSES.client[family], ADDRESSES.world[family]];
    const icmpNumber = family === 0 ? ICMP : ICMPv6;

    const segment = (direction: 'in' | 'out', flags: number, [local, remote]: readonly [number, number]): Outcome =>
      direction === 'in'
        ? judged.outcomeOf('to_pod', packet({ from: client, to: web, protocol: 6 }, tcp(remote, local, flags)))
        : judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol: 6 }, tcp(local, remote, flags)));
    const datagram = (direction: 'in' | 'out', [local, remote]: readonly [number, number]): Outcome =>
      direction === 'in'
        ? judged.outcomeOf('to_pod', packet({ from: client, to: web, protocol: UDP }, udp(remote, local)))
        : judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol: UDP }, udp(local, remote)));

    describe(`of ${web}`, () => {
      test('that a peer opens pass both ways where only that is allowed', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), CLOSED);
        assert.equal(segment('in', SYN, [80, port]), 'passed-allowed');
        assert.equal(segment('in', SYN, [80, port]), 'passed-known', 'the same segment again');
        assert.equal(segment('out', SYN | ACK, [80, port]), 'passed-reply');
        assert.equal(segment('in', ACK, [80, port]), 'passed-known');
        assert.equal(segment('out', SYN, [port, 80]), 'dropped-not-allowed');
      });

      test('that the pod opens pass both ways where only that is allowed', async () => {
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 443), allow(CLIENT, 53, UDP)));
        assert.equal(segment('out', SYN, [port, 443]), 'passed-allowed');
        assert.equal(segment('in', SYN | ACK, [port, 443]), 'passed-reply');
        assert.equal(datagram('out', [port, 53]), 'passed-allowed');
        assert.equal(datagram('in', [port, 53]), 'passed-reply');
        assert.equal(datagram('in', [port, 54]), 'dropped-not-allowed');
      });

      test('cannot be opened by a peer in the guise of an answer', async () => {
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 443)));
        assert.equal(segment('out', SYN, [port, 443]), 'passed-allowed');
        assert.equal(segment('in', SYN, [port, 443]), 'dropped-not-allowed', 'a peer that opens one itself');
        assert.equal(segment('in', SYN | ACK, [port, 443]), 'passed-reply', 'that was dropped changes nothing');
        assert.equal(segment('in', SYN | ACK, [port, 444]), 'dropped-not-allowed', 'an acceptance of what nobody asked for');
      });

      test('end when their verdict is revoked, with the next packet of either side, and go on when it is given again', async () => {
        for (const first of ['in', 'out'] as const) {
          ports += 1;
          const both = [80, ports] as const;
          await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
          assert.equal(segment('in', SYN, both), 'passed-allowed');
          assert.equal(segment('out', SYN | ACK, both), 'passed-reply');
          await judged.setPolicy(closedBut(allow(OTHER, 80)), OPEN);
          const second = first === 'in' ? 'out' : 'in';
          assert.equal(segment(first, ACK, both), 'dropped-not-allowed');
          assert.equal(segment(second, ACK, both), 'dropped-not-allowed', 'which way it was opened is not forgotten');
          assert.equal(segment(first, ACK, both), 'dropped-not-allowed');
          await judged.setPolicy(closedBut(allow(CLIENT)), OPEN);
          assert.equal(segment(first, ACK, both), first === 'in' ? 'passed-known' : 'passed-reply');
        }
      });

      test('of UDP end as well, and what the other side then opens is judged as that', async () => {
        await judged.setPolicy(OPEN, closedBut(allow(CLIENT, 53, UDP)));
        assert.equal(datagram('out', [port, 53]), 'passed-allowed');
        await judged.setPolicy(OPEN, CLOSED);
        assert.equal(datagram('out', [port, 53]), 'dropped-not-allowed');
        assert.equal(datagram('in', [port, 53]), 'passed-unrestricted');
        assert.equal(datagram('out', [port, 53]), 'passed-reply');
      });

      test('are judged again when the peer or the pod becomes another', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
        await judged.setPolicy(CLOSED, OPEN, { subject: OTHER });
        const both = [80, port] as const;
        assert.equal(segment('in', SYN, both), 'passed-allowed');
        const prefix = `${client}/${family === 0 ? 32 : 128}`;
        await judged.datapath.addresses.apply({ set: [{ prefix, identity: OTHER }] });
        assert.equal(segment('out', ACK, both), 'dropped-not-allowed');
        await judged.datapath.addresses.apply({ set: [{ prefix, identity: CLIENT }] });
        assert.equal(segment('out', ACK, both), 'passed-reply');
        await judged.datapath.endpoints.set(LOOPBACK, { identity: OTHER, addresses: ADDRESSES.web });
        assert.equal(segment('in', ACK, both), 'dropped-not-allowed');
        await judged.datapath.endpoints.set(LOOPBACK, { identity: 1000, addresses: ADDRESSES.web });
        assert.equal(segment('in', ACK, both), 'passed-known');
      });

      test('that were open before are judged as of whichever side may have opened them', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), CLOSED);
        assert.equal(segment('out', ACK, [80, port]), 'passed-allowed');
        assert.equal(segment('in', ACK, [80, port]), 'passed-known');
        assert.equal(segment('in', ACK, [81, port]), 'dropped-not-allowed');
        assert.equal(segment('out', ACK, [81, port]), 'dropped-not-allowed');
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 443)));
        assert.equal(segment('in', ACK, [port, 443]), 'passed-allowed');
        assert.equal(segment('out', ACK, [port, 443]), 'passed-known');
      });

      test('are known as closing, and are opened again', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
        const find = () =>
          [...judged.datapath.connections()].find(({ remotePort, localAddress }) => remotePort === port && localAddress === web);
        segment('in', SYN, [80, port]);
        segment('out', SYN | ACK, [80, port]);
        segment('in', FIN | ACK, [80, port]);
        assert.equal(find()?.isClosing, false);
        segment('out', FIN | ACK, [80, port]);
        assert.equal(find()?.isClosing, true);
        assert.equal(segment('in', ACK, [80, port]), 'passed-known', 'the last word');
        assert.equal(segment('in', SYN, [80, port]), 'passed-allowed');
        assert.equal(find()?.isClosing, false);
        assert.equal(segment('out', RST, [80, port]), 'passed-reply');
        assert.equal(find()?.isClosing, true);
        assert.equal(find()?.packets, 2n);
      });

      test('that nothing was heard of for long are over', async () => {
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 443), allow(CLIENT, 53, UDP)));
        for (const [protocol, remote, answer, patience] of [
          [6, 443, () => segment('in', SYN | ACK, [port, 443]), 8_000n],
          [UDP, 53, () => datagram('in', [port, 53]), 120n],
        ] as const) {
          if (protocol === 6) segment('out', SYN, [port, remote]);
          else datagram('out', [port, remote]);
          assert.equal(answer(), 'passed-reply');
          using connections = openMap('/sys/fs/bpf/sluice/connections', ...maps.connections);
          const [key, value] = [...connections.entries()].find(([of]) => of.local_port === port && of.protocol === protocol) ?? [];
          assert.ok(key && value);
          // The clock begins with the machine, which may be younger than that; as in the programs, what is before goes around.
          const silentFor = (seconds: bigint) =>
            connections.set(key, { ...value, last_seen: BigInt.asUintN(64, process.hrtime.bigint() - seconds * 1_000_000_000n) });
          silentFor(patience - 5n);
          assert.equal(answer(), 'passed-reply');
          silentFor(patience + 5n);
          const late = protocol === 6 ? segment('in', SYN, [port, remote]) : answer();
          assert.equal(late, 'dropped-not-allowed');
        }
      });

      test('that an ICMP error is about let it pass, as long as they may be', async () => {
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 443)));
        assert.equal(segment('out', SYN, [port, 443]), 'passed-allowed');
        const [tooBig, quoted] = [
          family === 0 ? 3 : 2,
          ipHeader({ from: web, to: client, protocol: 6 }, tcp(port, 443, ACK).subarray(0, 8)),
        ];
        const error = (from: string, about: Uint8Array) =>
          packet({ from, to: web, protocol: icmpNumber }, icmp(tooBig, new Uint8Array(4), about));
        assert.equal(judged.outcomeOf('to_pod', error(world, quoted)), 'passed-related', 'from a router on the way');
        const other = ipHeader({ from: web, to: client, protocol: 6 }, tcp(port, 444, ACK).subarray(0, 8));
        assert.equal(judged.outcomeOf('to_pod', error(world, other)), 'dropped-not-allowed', 'about nothing that is known');
        for (let size = 0; size < quoted.byteLength; size += 1) {
          assert.equal(judged.outcomeOf('to_pod', error(world, quoted.subarray(0, size))), 'dropped-not-allowed', `about ${size} bytes`);
        }
        await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 80)));
        assert.equal(judged.outcomeOf('to_pod', error(world, quoted)), 'dropped-not-allowed', 'about one that may not be any more');
      });

      test('that the pod sends an ICMP error about let it out', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 5353, UDP)), CLOSED);
        assert.equal(datagram('in', [5353, port]), 'passed-allowed');
        const quoted = ipHeader({ from: client, to: web, protocol: UDP }, udp(port, 5353).subarray(0, 8));
        const unreachable = icmp(family === 0 ? 3 : 1, new Uint8Array(4), quoted);
        assert.equal(judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol: icmpNumber }, unreachable)), 'passed-related');
      });

      test('of an echo are told apart by who asks', async () => {
        const [request, reply] = family === 0 ? [8, 0] : [128, 129];
        await judged.setPolicy(CLOSED, closedBut(verdict('allow', CLIENT, icmpNumber, request, 16)));
        const from = (type: number) =>
          judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol: icmpNumber }, echo(type, port)));
        const to = (type: number) => judged.outcomeOf('to_pod', packet({ from: client, to: web, protocol: icmpNumber }, echo(type, port)));
        assert.equal(to(reply), 'dropped-not-allowed', 'before anybody asks');
        assert.equal(from(request), 'passed-allowed');
        assert.equal(to(reply), 'passed-reply');
        assert.equal(to(request), 'dropped-not-allowed', 'with the same identifier');
        await judged.setPolicy(CLOSED, CLOSED);
        assert.equal(to(reply), 'dropped-not-allowed');
      });

      test('are where the first fragment of a datagram goes, and the others of it', async () => {
        await judged.setPolicy(closedBut(allow(CLIENT, 53, UDP)), OPEN);
        const fragment = (id: number, offset: number, hasMore: boolean, payload: Uint8Array) =>
          judged.outcomeOf('to_pod', packet({ from: client, to: web, protocol: UDP, fragment: { id, offset, hasMore } }, payload));
        const rest = new Uint8Array(64);
        assert.equal(fragment(port, 64, true, rest), 'dropped-fragment', 'before the first');
        assert.equal(fragment(port, 0, true, udp(port, 53, new Uint8Array(56))), 'passed-allowed');
        assert.equal(fragment(port, 64, true, rest), 'passed-known');
        assert.equal(fragment(port, 128, false, rest), 'passed-known');
        assert.equal(fragment(port + 1, 64, false, rest), 'dropped-fragment', 'of another datagram');
        assert.equal(fragment(port + 2, 0, true, udp(port, 54, new Uint8Array(56))), 'dropped-not-allowed');
        assert.equal(fragment(port + 2, 64, false, rest), 'dropped-fragment', 'of one whose first was dropped');
        assert.equal(fragment(port + 3, 0, true, udp(port, 53).subarray(0, 4)), 'dropped-truncated', 'too small for its ports');
        await judged.setPolicy(CLOSED, OPEN);
        assert.equal(fragment(port, 192, false, rest), 'dropped-not-allowed', 'of one that may not be any more');
      });

      test('that come from outside are known by the mark, whatever address they have now', async () => {
        const outside = RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];
        const host = ADDRESSES.host[family];
        const incoming = packet({ from: world, to: host, protocol: 6 }, tcp(port, 30_080, SYN));
        const { mark, isPassed } = judged.datapath.testRun('from_network', incoming, 0x4000);
        assert.equal(isPassed, true);
        assert.equal(mark & 0xf000, 0x4000, 'what is others to set stays');
        const masqueraded = packet({ from: host, to: web, protocol: 6 }, tcp(port, 80, SYN));
        const answer = packet({ from: web, to: host, protocol: 6 }, tcp(80, port, SYN | ACK));
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
        assert.equal(judged.outcomeOf('to_pod', masqueraded, mark), 'dropped-not-allowed');
        await judged.setPolicy(closedBut(allow(outside, 80)), OPEN);
        assert.equal(judged.outcomeOf('to_pod', masqueraded, mark), 'passed-allowed');
        assert.equal(judged.outcomeOf('from_pod', answer), 'passed-reply');
        await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
        assert.equal(judged.outcomeOf('from_pod', answer), 'dropped-not-allowed', 'judged again as what it was');
        ports += 1;
        const own = packet({ from: host, to: web, protocol: 6 }, tcp(ports, 80, SYN));
        assert.equal(judged.outcomeOf('to_pod', own), 'passed-host', 'the node itself has no mark');
      });
    });
  }

  test('marks hold identities of every scope', async () => {
    await judged.setPolicy(OPEN, OPEN);
    for (const identity of [1, 1000, 65_535, (1 << 24) | 1, (1 << 24) | 0x7f_ffff]) {
      ports += 1;
      const mark = ((identity << 16) | 0xf00 | ((identity >> 16) & 0x7f) | (identity >> 24 ? 0x80 : 0)) >>> 0;
      judged.outcomeOf('to_pod', packet({ from: ADDRESSES.host[0], to: ADDRESSES.web[0], protocol: UDP }, udp(ports, 9)), mark);
      const found = [...judged.datapath.connections()].find(({ localPort, remotePort }) => localPort === 9 && remotePort === ports);
      assert.equal(found?.peer, identity);
    }
  });

  test('a mark of another kind, or of who has an address of his own, is not believed', async () => {
    await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
    const from = packet({ from: ADDRESSES.other[0], to: ADDRESSES.web[0], protocol: 6 }, tcp(1, 80, SYN));
    for (const kind of [0, 0x200, 0x900, 0xa00, 0xb00, 0xc00, 0xf00]) {
      assert.equal(judged.outcomeOf('to_pod', from, ((CLIENT << 16) | kind) >>> 0), 'dropped-not-allowed', `mark ${kind.toString(16)}`);
    }
  });
});
