import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { Outcome, ProgramName } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LINK_LOCAL_OF_HOST, OPEN } from './testing/judged.ts';
import { arp, type Extension, echo, ethernet, type Ip, icmp, join, neighbour, packet, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

const { UDP, ICMPv6 } = IP_PROTOCOLS;
const [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION, AUTHENTICATION] = [0, 43, 44, 60, 51];
const LINK_LOCAL = 'fe80::1';
const ALL_NODES = 'ff02::1';
const [SOLICITATION, ADVERTISEMENT, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, REDIRECT] = [135, 136, 133, 134, 137];
const [WEB4, WEB6] = ADDRESSES.web;
const [CLIENT4, CLIENT6] = ADDRESSES.client;

/** Source ports, so that no packet belongs to the connection of another. */
let ports = 40_000;

function opening(ip: Omit<Ip, 'protocol'>): Uint8Array {
  ports += 1;
  return packet({ ...ip, protocol: 6 }, tcp(ports, 80, TCP.SYN));
}

function extension(type: number, size = 8, rest: readonly number[] = []): Extension {
  const length = type === AUTHENTICATION ? size / 4 - 2 : size / 8 - 1;
  return { type, bytes: join(Uint8Array.of(0, length, ...rest), new Uint8Array(size - 2 - rest.length)) };
}

function found(ip: Ip, payload: Uint8Array): Uint8Array {
  return packet({ hopLimit: 255, ...ip }, payload);
}

type Case = readonly [what: string, program: ProgramName, packet: Uint8Array, outcome: Outcome];

const v4 = { from: CLIENT4, to: WEB4 };
const v6 = { from: CLIENT6, to: WEB6 };
const nd = { protocol: ICMPv6 };

const CASES: readonly Case[] = [
  ['a bad checksum is for the receiver to find', 'to_pod', opening(v4), 'passed-allowed'],
  ['options of IPv4', 'to_pod', opening({ ...v4, options: new Uint8Array(40).fill(1) }), 'passed-allowed'],
  ...[1, 2, 8].map(
    (count): Case => [
      `${count} extension headers`,
      'to_pod',
      opening({ ...v6, extensions: Array.from({ length: count }, () => extension(DESTINATION)) }),
      'passed-allowed',
    ],
  ),
  [
    'extension headers of every kind',
    'to_pod',
    opening({
      ...v6,
      extensions: [extension(HOP_BY_HOP, 16), extension(ROUTING), extension(DESTINATION, 24), extension(AUTHENTICATION, 16)],
    }),
    'passed-allowed',
  ],
  [
    'more extension headers than anybody needs',
    'to_pod',
    opening({ ...v6, extensions: Array.from({ length: 9 }, () => extension(DESTINATION)) }),
    'dropped-too-many-headers',
  ],
  [
    'a routing header that leads elsewhere',
    'to_pod',
    opening({ ...v6, extensions: [extension(ROUTING, 24, [0, 1])] }),
    'dropped-source-routed',
  ],
  ['a fragment that is the whole', 'to_pod', opening({ ...v6, fragment: { id: 1, offset: 0, hasMore: false } }), 'passed-allowed'],
  [
    'an extension header in a first fragment',
    'to_pod',
    opening({ ...v6, extensions: [extension(DESTINATION)], fragment: { id: 2, offset: 0, hasMore: true } }),
    'passed-allowed',
  ],
  ['IPv6 that says it is IPv4', 'to_pod', ethernet(0x0800, opening(v6).subarray(14)), 'dropped-malformed'],
  ['IPv4 that says it is IPv6', 'to_pod', ethernet(0x86dd, opening(v4).subarray(14)), 'dropped-malformed'],
  ['a header of IPv4 that is too short', 'to_pod', opening(v4).with(14, 0x44), 'dropped-malformed'],
  ['a header of TCP that is too short', 'to_pod', opening(v4).with(14 + 20 + 12, 0x40), 'dropped-malformed'],
  ['a tag of a VLAN', 'to_pod', ethernet(0x8100, join(Uint8Array.of(0, 5), opening(v4).subarray(12))), 'dropped-vlan'],
  [
    'a tag of a VLAN from the pod',
    'from_pod',
    ethernet(0x8100, join(Uint8Array.of(0, 5), opening({ from: WEB4, to: CLIENT4 }).subarray(12))),
    'dropped-vlan',
  ],
  [
    'two tags',
    'from_pod',
    ethernet(0x88a8, join(Uint8Array.of(0, 5, 0x81, 0, 0, 6), opening({ from: WEB4, to: CLIENT4 }).subarray(12))),
    'dropped-vlan',
  ],
  ['a protocol beside IP towards where something is closed', 'to_pod', ethernet(0x88cc, new Uint8Array(50)), 'dropped-unknown-protocol'],
  ['a protocol beside IP towards where nothing is', 'from_pod', ethernet(0x88cc, new Uint8Array(50)), 'passed-unjudged'],

  ...['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'].map(
    (from): Case => [`${from} as a source`, 'to_pod', opening({ from, to: WEB4 }), 'dropped-martian'],
  ),
  ...['::1', '::', 'ff02::1', '::ffff:10.0.1.2'].map(
    (from): Case => [
      `${from} as a source`,
      'to_pod',
      from.startsWith('::ffff:') ? mapped(WEB6) : opening({ from, to: WEB6 }),
      'dropped-martian',
    ],
  ),
  ["the node's address from outside", 'from_network', opening({ from: ADDRESSES.host[0], to: WEB4 }), 'dropped-martian'],
  ['what is for another pod', 'to_pod', opening({ from: CLIENT4, to: ADDRESSES.other[0] }), 'dropped-other-destination'],
  ['multicast is judged', 'to_pod', packet({ from: CLIENT4, to: '224.0.0.251', protocol: UDP }, udp(5353, 5353)), 'dropped-not-allowed'],
  ['broadcast is judged', 'from_pod', packet({ from: WEB4, to: '255.255.255.255', protocol: UDP }, udp(68, 67)), 'passed-unrestricted'],
  ['a pod to itself', 'from_pod', opening({ from: WEB4, to: WEB4 }), 'passed-itself'],
  ['a pod from itself', 'to_pod', opening({ from: WEB6, to: WEB6 }), 'passed-itself'],

  ['the address of another as a source', 'from_pod', opening({ from: CLIENT4, to: WEB4 }), 'dropped-spoofed'],
  ['the address of another as a source, IPv6', 'from_pod', opening({ from: CLIENT6, to: WEB6 }), 'dropped-spoofed'],
  ["the node's address as a source", 'from_pod', opening({ from: ADDRESSES.host[0], to: CLIENT4 }), 'dropped-spoofed'],
  ['an address of IPv4 in IPv6 as a source', 'from_pod', mapped(WEB6), 'dropped-martian'],
  ['no address as a source', 'from_pod', packet({ from: '0.0.0.0', to: '255.255.255.255', protocol: UDP }, udp(68, 67)), 'dropped-spoofed'],
  ['a link-local source of what is not of the link', 'from_pod', opening({ from: LINK_LOCAL, to: CLIENT6 }), 'dropped-spoofed'],

  ['ARP of its own address', 'from_pod', arp(WEB4, CLIENT4), 'passed-link'],
  ['ARP that looks for duplicates', 'from_pod', arp('0.0.0.0', WEB4), 'passed-link'],
  ['ARP that looks for duplicates of another address', 'from_pod', arp('0.0.0.0', CLIENT4), 'dropped-spoofed-arp'],
  ['ARP of another address', 'from_pod', arp(CLIENT4, WEB4), 'dropped-spoofed-arp'],
  ['ARP of something else', 'from_pod', arp(WEB4, CLIENT4).with(15, 6), 'dropped-malformed'],
  ['ARP to the pod', 'to_pod', arp(CLIENT4, WEB4), 'passed-link'],

  ['a solicitation', 'from_pod', found({ ...nd, from: WEB6, to: 'ff02::1:ff00:2' }, neighbour(SOLICITATION, CLIENT6)), 'passed-link'],
  [
    'a solicitation by a link-local address',
    'from_pod',
    found({ ...nd, from: LINK_LOCAL, to: ALL_NODES }, neighbour(SOLICITATION, CLIENT6)),
    'passed-link',
  ],
  ['one that looks for duplicates', 'from_pod', found({ ...nd, from: '::', to: ALL_NODES }, neighbour(SOLICITATION, WEB6)), 'passed-link'],
  [
    'one that looks for duplicates of another address',
    'from_pod',
    found({ ...nd, from: '::', to: ALL_NODES }, neighbour(SOLICITATION, CLIENT6)),
    'dropped-spoofed-neighbour',
  ],
  [
    'one that looks for duplicates without saying of what',
    'from_pod',
    found({ ...nd, from: '::', to: ALL_NODES }, icmp(SOLICITATION)),
    'dropped-truncated',
  ],
  [
    "a solicitation by the node's link-local address",
    'from_pod',
    found({ ...nd, from: LINK_LOCAL_OF_HOST, to: ALL_NODES }, neighbour(SOLICITATION, CLIENT6)),
    'dropped-spoofed-neighbour',
  ],
  [
    'a solicitation by another',
    'from_pod',
    found({ ...nd, from: CLIENT6, to: ALL_NODES }, neighbour(SOLICITATION, WEB6)),
    'dropped-spoofed-neighbour',
  ],
  ['an advertisement', 'from_pod', found({ ...nd, from: WEB6, to: ALL_NODES }, neighbour(ADVERTISEMENT, WEB6)), 'passed-link'],
  [
    'an advertisement of a link-local address',
    'from_pod',
    found({ ...nd, from: LINK_LOCAL, to: ALL_NODES }, neighbour(ADVERTISEMENT, LINK_LOCAL)),
    'passed-link',
  ],
  [
    "an advertisement of the node's link-local address",
    'from_pod',
    found({ ...nd, from: LINK_LOCAL, to: ALL_NODES }, neighbour(ADVERTISEMENT, LINK_LOCAL_OF_HOST)),
    'dropped-spoofed-neighbour',
  ],
  [
    "an advertisement of another's address",
    'from_pod',
    found({ ...nd, from: WEB6, to: ALL_NODES }, neighbour(ADVERTISEMENT, CLIENT6)),
    'dropped-spoofed-neighbour',
  ],
  ['an advertisement without a target', 'from_pod', found({ ...nd, from: WEB6, to: ALL_NODES }, icmp(ADVERTISEMENT)), 'dropped-truncated'],
  ['who asks for routers', 'from_pod', found({ ...nd, from: LINK_LOCAL, to: 'ff02::2' }, icmp(ROUTER_SOLICITATION)), 'passed-link'],
  [
    'who says that it is a router',
    'from_pod',
    found({ ...nd, from: LINK_LOCAL, to: ALL_NODES }, icmp(ROUTER_ADVERTISEMENT)),
    'dropped-router',
  ],
  ['who knows a better way', 'from_pod', found({ ...nd, from: LINK_LOCAL, to: ALL_NODES }, icmp(REDIRECT)), 'dropped-router'],
  [
    'neighbours that came by way of a router',
    'from_pod',
    found({ ...nd, from: WEB6, to: CLIENT6, hopLimit: 254 }, neighbour(SOLICITATION, CLIENT6)),
    'dropped-malformed',
  ],
  ['neighbours of the pod', 'to_pod', found({ ...nd, from: CLIENT6, to: WEB6 }, neighbour(SOLICITATION, WEB6)), 'passed-link'],
  [
    'neighbours of the pod that are none',
    'to_pod',
    found({ ...nd, from: CLIENT6, to: WEB6, hopLimit: 64 }, neighbour(SOLICITATION, WEB6)),
    'dropped-malformed',
  ],
  [
    'who joins a group',
    'from_pod',
    packet({ ...nd, from: LINK_LOCAL, to: 'ff02::16', hopLimit: 1, extensions: [extension(HOP_BY_HOP)] }, icmp(143)),
    'passed-link',
  ],
  [
    'who joins a group of IPv4',
    'from_pod',
    packet({ from: WEB4, to: '224.0.0.22', protocol: 2, hopLimit: 1, options: new Uint8Array(4) }, new Uint8Array(16)),
    'passed-link',
  ],
  [
    'who joins a group as another',
    'from_pod',
    packet({ from: CLIENT4, to: '224.0.0.22', protocol: 2, hopLimit: 1 }, new Uint8Array(16)),
    'dropped-spoofed',
  ],
];

/** From `::ffff:10.0.1.1`, which is no address that stands in a packet. */
function mapped(to: string): Uint8Array {
  const built = opening({ from: '2001:db8::9', to });
  built.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 1], 14 + 8);
  return built;
}

describe('what may be wrong with a packet', needs('root'), () => {
  let judged: Judged;
  before(async () => {
    judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
  });
  after(() => judged[Symbol.dispose]());

  for (const [what, program, bytes, outcome] of CASES) {
    test(`${what}: ${outcome}`, () => assert.equal(judged.outcomeOf(program, bytes), outcome));
  }

  // The kernel runs no program on a packet without the header that its type promises.
  for (const [what, whole, program, smallest, complete] of [
    ['IPv4', opening({ ...v4, options: new Uint8Array(8).fill(1) }), 'to_pod', 14 + 20, 14 + 28 + 20],
    [
      'IPv6 with extensions',
      opening({ ...v6, extensions: [extension(HOP_BY_HOP), extension(DESTINATION, 16)] }),
      'to_pod',
      14 + 40,
      14 + 40 + 24 + 20,
    ],
    ['an echo', packet({ from: WEB4, to: CLIENT4, protocol: 1 }, echo(8, 77)), 'from_pod', 14 + 20, 14 + 20 + 8],
    ['ARP', arp(WEB4, CLIENT4), 'from_pod', 15, 14 + 28],
  ] as const) {
    test(`${what}, cut off anywhere, is dropped`, () => {
      for (let size = smallest; size < complete; size += 1) {
        const outcome = judged.outcomeOf(program, whole.subarray(0, size));
        assert.equal(outcome, 'dropped-truncated', `${size} bytes`);
      }
      assert.match(judged.outcomeOf(program, whole), /^passed/);
    });
  }

  test('fragments of IPv6 are of one datagram whatever header comes first in each', () => {
    const part = (next: number, offset: number, hasMore: boolean, payload: Uint8Array) => {
      const bytes = join(Uint8Array.of(0, 0), Uint8Array.of(offset >> 8, offset | Number(hasMore)), Uint8Array.of(0, 0, 1, 99));
      return packet({ ...v6, protocol: next, extensions: [{ type: FRAGMENT, bytes }] }, payload);
    };
    ports += 1;
    const first = join(Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0), tcp(ports, 80, TCP.SYN), new Uint8Array(4));
    assert.equal(judged.outcomeOf('to_pod', part(DESTINATION, 0, true, first)), 'passed-allowed');
    assert.equal(judged.outcomeOf('to_pod', part(DESTINATION, 32, false, new Uint8Array(8))), 'passed-known');
    assert.equal(judged.outcomeOf('to_pod', part(6, 32, false, new Uint8Array(8))), 'passed-known');
  });

  test('ARP and neighbours pass a pod that is closed, and one that nothing is known of', async () => {
    await judged.setPolicy(CLOSED, CLOSED);
    assert.equal(judged.outcomeOf('from_pod', arp(WEB4, CLIENT4)), 'passed-link');
    assert.equal(judged.outcomeOf('from_pod', ethernet(0x88cc, new Uint8Array(50))), 'dropped-unknown-protocol');
    await judged.datapath.verdicts.remove([1000]);
    assert.equal(judged.outcomeOf('from_pod', arp(WEB4, CLIENT4)), 'passed-link');
    assert.equal(judged.outcomeOf('to_pod', found({ ...nd, from: CLIENT6, to: WEB6 }, neighbour(SOLICITATION, WEB6))), 'passed-link');
    assert.equal(judged.outcomeOf('from_pod', ethernet(0x88cc, new Uint8Array(50))), 'dropped-no-policy');
  });

  test('what comes from outside and is none of ours is left alone', () => {
    for (const bytes of [
      arp(CLIENT4, WEB4),
      ethernet(0x8100, join(Uint8Array.of(0, 5), opening(v4).subarray(12))),
      opening(v4).subarray(0, 34 + 6),
    ]) {
      assert.deepEqual(
        { isPassed: true, mark: 0x123 },
        (({ isPassed, mark }) => ({ isPassed, mark }))(judged.datapath.testRun('from_network', bytes, 0x123)),
      );
    }
  });
});
