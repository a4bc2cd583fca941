import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { Outcome, ProgramName } from './index.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged } from './testing/judged.ts';
import { type Ip, icmp, ipHeader, neighbour, packet, udp } from './testing/packets.ts';

enterOwnNamespaces();

// What a link or a connection needs passes a pod that is closed. It must not be a way for anything else: out of the link, with a load, to whom
// policy does not let it.

const { UDP, ICMP, ICMPv6, IGMP } = { ...IP_PROTOCOLS, IGMP: 2 };
const [WEB4, WEB6] = ADDRESSES.web;
const [CLIENT4, CLIENT6] = ADDRESSES.client;
const [WORLD4, WORLD6] = ADDRESSES.world;
const [HOST6] = [ADDRESSES.host[1]];
const LINK_LOCAL = 'fe80::1';
const ALL_NODES = 'ff02::1';
const ALL_NODES_OF_THE_SITE = 'ff05::1';
const [QUERY, REPORT, REPORT_2, SOLICITATION, ADVERTISEMENT, ROUTER_SOLICITATION] = [130, 131, 143, 135, 136, 133];
const LOAD = new Uint8Array(64).fill(0x42);

type Case = readonly [what: string, program: ProgramName, ip: Ip, payload: Uint8Array, outcome: Outcome];

const nd = (from: string, to: string): Ip => ({ from, to, protocol: ICMPv6, hopLimit: 255 });
const mld = (from: string, to: string, hopLimit = 1): Ip => ({ from, to, protocol: ICMPv6, hopLimit });
const igmp = (from: string, to: string, hopLimit = 1): Ip => ({ from, to, protocol: IGMP, hopLimit });
const report = icmp(REPORT_2, new Uint8Array(4), LOAD);

const CASES: readonly Case[] = [
  ['a membership of IPv4', 'from_pod', igmp(WEB4, '224.0.0.22'), LOAD, 'passed-link'],
  ['a membership of IPv4 that a router would take further', 'from_pod', igmp(WEB4, '224.0.0.22', 64), LOAD, 'dropped-not-allowed'],
  ['a membership of IPv4 to somebody', 'from_pod', igmp(WEB4, CLIENT4), LOAD, 'dropped-not-allowed'],
  ['a membership of IPv4 to the world', 'from_pod', igmp(WEB4, WORLD4, 64), LOAD, 'dropped-not-allowed'],
  ['a query of IPv4', 'to_pod', igmp(ADDRESSES.host[0], '224.0.0.1'), LOAD, 'passed-link'],
  ['a membership of IPv4 from afar', 'to_pod', igmp(CLIENT4, WEB4, 63), LOAD, 'dropped-not-allowed'],
  ['a membership of IPv4 from the world', 'to_pod', igmp(WORLD4, WEB4), LOAD, 'dropped-not-allowed'],
  ['a membership of IPv6', 'from_pod', mld(LINK_LOCAL, 'ff02::16'), report, 'passed-link'],
  ['a membership of IPv6 before there is an address', 'from_pod', mld('::', 'ff02::16'), report, 'passed-link'],
  ['a membership of IPv6 that a router would take further', 'from_pod', mld(WEB6, 'ff02::16', 64), report, 'dropped-not-allowed'],
  ['a membership of IPv6 to somebody', 'from_pod', mld(WEB6, CLIENT6), icmp(REPORT), 'dropped-not-allowed'],
  ['a membership of IPv6 to the world', 'from_pod', mld(WEB6, WORLD6, 64), report, 'dropped-not-allowed'],
  ['a query of IPv6', 'to_pod', mld(LINK_LOCAL, ALL_NODES), icmp(QUERY), 'passed-link'],
  ['a membership of IPv6 from afar', 'to_pod', mld(CLIENT6, WEB6, 63), report, 'dropped-not-allowed'],

  ['a solicitation of a neighbour', 'from_pod', nd(WEB6, CLIENT6), neighbour(SOLICITATION, CLIENT6), 'passed-link'],
  ['a solicitation of the node', 'from_pod', nd(WEB6, HOST6), neighbour(SOLICITATION, HOST6), 'passed-link'],
  ['a solicitation by a link-local address', 'from_pod', nd(WEB6, LINK_LOCAL), neighbour(SOLICITATION, LINK_LOCAL), 'passed-link'],
  ['a solicitation of the world', 'from_pod', nd(WEB6, WORLD6), neighbour(SOLICITATION, WORLD6), 'dropped-not-allowed'],
  [
    'a solicitation of who is not known',
    'from_pod',
    nd(WEB6, ADDRESSES.unknown[1]),
    neighbour(SOLICITATION, WORLD6),
    'dropped-not-allowed',
  ],
  ['a solicitation beyond the link', 'from_pod', nd(WEB6, ALL_NODES_OF_THE_SITE), neighbour(SOLICITATION, WORLD6), 'dropped-not-allowed'],
  ['an advertisement to a neighbour', 'from_pod', nd(WEB6, CLIENT6), neighbour(ADVERTISEMENT, WEB6), 'passed-link'],
  ['an advertisement to the world', 'from_pod', nd(WEB6, WORLD6), neighbour(ADVERTISEMENT, WEB6), 'dropped-not-allowed'],
  [
    'a question for routers to the world',
    'from_pod',
    nd(WEB6, WORLD6),
    icmp(ROUTER_SOLICITATION, new Uint8Array(4), LOAD),
    'dropped-not-allowed',
  ],
  ['a pod from itself by the network', 'from_network', { from: WEB4, to: WEB4, protocol: UDP }, udp(53, 53), 'dropped-martian'],
  ['a pod from itself by the network, IPv6', 'from_network', { from: WEB6, to: WEB6, protocol: UDP }, udp(53, 53), 'dropped-martian'],
  ['a pod from another by the network', 'from_network', { from: CLIENT6, to: WEB6, protocol: UDP }, udp(53, 53), 'passed-marked'],
  ['a solicitation from afar', 'to_pod', { ...nd(CLIENT6, WEB6), hopLimit: 254 }, neighbour(SOLICITATION, WEB6), 'dropped-malformed'],
];

const LOOSE = [131, 7, 4, 192, 0, 2, 1];
const STRICT = [137, 7, 4, 192, 0, 2, 1];
const RECORDED = [7, 7, 4, 0, 0, 0, 0];

/** Options of IPv4, of a packet that may pass without. */
const OPTIONS: readonly (readonly [what: string, options: readonly number[], outcome: Outcome])[] = [
  ['nothing, and the end', [1, 1, 1, 0], 'passed-allowed'],
  ['a route that is recorded', [...RECORDED, 0], 'passed-allowed'],
  ['as many as there may be', new Array<number>(40).fill(1), 'passed-allowed'],
  ['what comes after the end', [0, ...LOOSE], 'passed-allowed'],
  ['a loose route', [...LOOSE, 0], 'dropped-source-routed'],
  ['a strict route', [1, ...STRICT], 'dropped-source-routed'],
  ['a route after another option', [...RECORDED, ...LOOSE, 1, 0], 'dropped-source-routed'],
  ['a route at the very end', [...new Array<number>(33).fill(1), ...STRICT], 'dropped-source-routed'],
  ['a route without a length', [1, 1, 1, 131], 'dropped-source-routed'],
  ['an option without a length', [7, 0, 0, 0], 'dropped-malformed'],
  ['an option of nothing but itself', [7, 1, 0, 0], 'dropped-malformed'],
  ['an option that is longer than all', [7, 8, 4, 0, 0, 0, 0, 0].slice(0, 4), 'dropped-malformed'],
];

describe('in the guise of what passes', needs('root', 'bpf'), () => {
  let judged: Judged;
  before(async () => {
    judged = await Judged.open();
    await judged.setPolicy(CLOSED, CLOSED);
  });
  after(() => judged[Symbol.dispose]());

  for (const [what, program, ip, payload, outcome] of CASES) {
    test(`${what}, ${program}: ${outcome}`, () => assert.equal(judged.outcomeOf(program, packet(ip, payload)), outcome));
  }

  for (const [index, [what, options, outcome]] of OPTIONS.entries()) {
    test(`options of IPv4, ${what}: ${outcome}`, async () => {
      await judged.setPolicy(closedBut(allow(CLIENT, 53, UDP)), closedBut(allow(CLIENT, 53, UDP)));
      const bytes = Uint8Array.from(options);
      for (const [program, from, to] of [
        ['to_pod', CLIENT4, WEB4],
        ['from_pod', WEB4, CLIENT4],
      ] as const) {
        const sent = packet({ from, to, protocol: UDP, options: bytes }, udp(7_200 + index, 53));
        assert.equal(judged.outcomeOf(program, sent), outcome, program);
      }
      await judged.setPolicy(CLOSED, CLOSED);
    });
  }

  for (const family of [0, 1] as const) {
    const [web, client, world, other] = [ADDRESSES.web[family], ADDRESSES.client[family], ADDRESSES.world[family], ADDRESSES.other[family]];
    const protocol = family === 0 ? ICMP : ICMPv6;
    const unreachable = (about: Uint8Array) => icmp(family === 0 ? 3 : 1, new Uint8Array(4), about);

    test(`an error goes to whom it is about and to nobody else, ${web}`, async () => {
      await judged.setPolicy(closedBut(allow(CLIENT, 5353, UDP)), CLOSED);
      const asked = { from: client, to: web, protocol: UDP };
      assert.equal(judged.outcomeOf('to_pod', packet(asked, udp(7_000 + family, 5353))), 'passed-allowed');
      const error = unreachable(ipHeader(asked, udp(7_000 + family, 5353, LOAD)));
      assert.equal(judged.outcomeOf('from_pod', packet({ from: web, to: client, protocol }, error)), 'passed-related');
      for (const to of [world, other]) {
        assert.equal(judged.outcomeOf('from_pod', packet({ from: web, to, protocol }, error)), 'dropped-not-allowed', to);
      }
      await judged.setPolicy(CLOSED, CLOSED);
    });

    test(`an error about what another sent does not reach the pod, ${web}`, async () => {
      await judged.setPolicy(CLOSED, closedBut(allow(CLIENT, 53, UDP)));
      const asking = { from: web, to: client, protocol: UDP };
      assert.equal(judged.outcomeOf('from_pod', packet(asking, udp(7_100 + family, 53))), 'passed-allowed');
      const about = (ip: Ip) => packet({ from: world, to: web, protocol }, unreachable(ipHeader(ip, udp(7_100 + family, 53))));
      assert.equal(judged.outcomeOf('to_pod', about(asking)), 'passed-related');
      assert.equal(judged.outcomeOf('to_pod', about({ ...asking, from: other })), 'dropped-not-allowed');
      assert.equal(judged.outcomeOf('to_pod', about({ ...asking, from: client, to: web })), 'dropped-not-allowed');
      await judged.setPolicy(CLOSED, CLOSED);
    });
  }
});
