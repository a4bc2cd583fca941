import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../model/index.ts';
import { ICMP_TYPES, ICMPV6_TYPES } from './rules/icmp-types.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import type { CompiledPolicy } from './testing/compiled-policy.ts';
import { ciliumPolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

// Which ports and types each way to write them means. What is probed: protocol and port, or type of ICMP.

const WORLD = [
  namespace('default'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  pod(
    'web',
    '10.244.0.2',
    { app: 'web' },
    {
      ports: [
        { name: 'http', containerPort: 80 },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
        { name: 'dns', containerPort: 54, protocol: 'TCP' },
        { name: 'assoc', containerPort: 81, protocol: 'SCTP' },
      ],
    },
  ),
  pod('near', '10.244.0.3', { app: 'near' }, { ports: [{ name: 'http', containerPort: 8080 }] }),
];
const HOSTS = hostsOf(WORLD);

const PROBES: Readonly<Record<string, readonly [protocol: number, port: number]>> = {
  ...{ tcp0: [IP_PROTOCOLS.TCP, 0], tcp53: [IP_PROTOCOLS.TCP, 53], tcp54: [IP_PROTOCOLS.TCP, 54], tcp80: [IP_PROTOCOLS.TCP, 80] },
  ...{ tcp81: [IP_PROTOCOLS.TCP, 81], tcp8080: [IP_PROTOCOLS.TCP, 8080], tcp65535: [IP_PROTOCOLS.TCP, 65_535] },
  ...{ udp53: [IP_PROTOCOLS.UDP, 53], udp80: [IP_PROTOCOLS.UDP, 80], sctp80: [IP_PROTOCOLS.SCTP, 80], sctp81: [IP_PROTOCOLS.SCTP, 81] },
  ...{ echo: [IP_PROTOCOLS.ICMP, 8], reply: [IP_PROTOCOLS.ICMP, 0], echo6: [IP_PROTOCOLS.ICMPv6, 128], gre: [47, 0] },
};
const TCP = 'tcp0 tcp53 tcp54 tcp80 tcp81 tcp8080 tcp65535';
const ALL = Object.keys(PROBES).join(' ');
const WITH_80 = 'tcp80 udp80 sctp80';

function passing(compiled: CompiledPolicy, from: string, to: string): string {
  const passes = Object.entries(PROBES).filter(([, [protocol, port]]) => compiled.judge(from, to, protocol, port, HOSTS) === 'allow');
  return passes.map(([name]) => name).join(' ');
}

type Case = readonly [what: string, port: object, passing: string];

const CILIUM: readonly Case[] = [
  ['a number', { port: '80', protocol: 'TCP' }, 'tcp80'],
  ['a number, UDP', { port: '80', protocol: 'UDP' }, 'udp80'],
  ['a number, SCTP', { port: '80', protocol: 'SCTP' }, 'sctp80'],
  ['a number, ANY', { port: '80', protocol: 'ANY' }, WITH_80],
  ['a number, empty protocol', { port: '80', protocol: '' }, WITH_80],
  ['a number, no protocol', { port: '80' }, WITH_80],
  ['a protocol in lower case', { port: '80', protocol: 'tcp' }, 'tcp80'],
  ['a range', { port: '54', endPort: 81, protocol: 'TCP' }, 'tcp54 tcp80 tcp81'],
  ['a range of one', { port: '80', endPort: 80, protocol: 'TCP' }, 'tcp80'],
  ['a range to the end', { port: '81', endPort: 65_535, protocol: 'TCP' }, 'tcp81 tcp8080 tcp65535'],
  ['a range of all', { port: '1', endPort: 65_535, protocol: 'TCP' }, 'tcp53 tcp54 tcp80 tcp81 tcp8080 tcp65535'],
  ['a range from 0', { port: '0', endPort: 53, protocol: 'TCP' }, 'tcp0 tcp53'],
  ['a range, ANY', { port: '80', endPort: 81 }, 'tcp80 tcp81 udp80 sctp80 sctp81'],
  ['an endPort of 0 is none', { port: '80', endPort: 0, protocol: 'TCP' }, 'tcp80'],
  ['0 is all ports', { port: '0', protocol: 'TCP' }, TCP],
  ['0 is all ports, UDP', { port: '0', protocol: 'UDP' }, 'udp53 udp80'],
  ['0 is all ports, SCTP', { port: '0', protocol: 'SCTP' }, 'sctp80 sctp81'],
  ['0 is everything, ANY', { port: '0', protocol: 'ANY' }, ALL],
  ['0 is everything, no protocol', { port: '0' }, ALL],
  ['all of ICMP', { port: '0', protocol: 'ICMP' }, 'echo reply'],
  ['all of ICMPv6', { port: '0', protocol: 'ICMPv6' }, 'echo6'],
  ['a name', { port: 'http', protocol: 'TCP' }, 'tcp80'],
  ['a name of another protocol', { port: 'http', protocol: 'UDP' }, ''],
  ['a name in upper case', { port: 'HTTP' }, 'tcp80'],
  ['a name of two ports', { port: 'dns' }, 'tcp54 udp53'],
  ['a name of two ports, UDP', { port: 'dns', protocol: 'UDP' }, 'udp53'],
  ['a name of SCTP', { port: 'assoc' }, 'sctp81'],
  ['a name that nobody has', { port: 'none' }, ''],
];

const NETWORK_POLICY: readonly Case[] = [
  ['a number', { port: 80 }, 'tcp80'],
  ['a number, UDP', { port: 80, protocol: 'UDP' }, 'udp80'],
  ['a number, SCTP', { port: 80, protocol: 'SCTP' }, 'sctp80'],
  ['a range', { port: 54, endPort: 81 }, 'tcp54 tcp80 tcp81'],
  ['a range of one', { port: 80, endPort: 80, protocol: 'SCTP' }, 'sctp80'],
  ['a protocol alone', { protocol: 'TCP' }, TCP],
  ['SCTP alone', { protocol: 'SCTP' }, 'sctp80 sctp81'],
  ['nothing is all of TCP', {}, TCP],
  ['a name', { port: 'http' }, 'tcp80'],
  ['a name of another protocol', { port: 'http', protocol: 'UDP' }, ''],
  ['a name of two ports', { port: 'dns' }, 'tcp54'],
  ['a name of two ports, UDP', { port: 'dns', protocol: 'UDP' }, 'udp53'],
  ['a name of SCTP', { port: 'assoc', protocol: 'SCTP' }, 'sctp81'],
];

const WEB = '10.244.0.2';
const NEAR = '10.244.0.3';
const CILIUM_WEB = { endpointSelector: { matchLabels: { app: 'web' } } };
const WEB_PODS = { podSelector: { matchLabels: { app: 'web' } } };

/** A port means what it does at the pod that receives, whichever direction the rule is for. */
describe('ports of a CiliumNetworkPolicy', () => {
  for (const [what, port, expected] of CILIUM) {
    test(what, () => {
      const toPorts = [{ ports: [port] }];
      const incoming = compileAll([...WORLD, ciliumPolicyOf({ ...CILIUM_WEB, ingress: [{ toPorts }] })]).compiled;
      assert.equal(passing(incoming, NEAR, WEB), expected);
      const outgoing = compileAll([
        ...WORLD,
        ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'near' } }, egress: [{ toPorts }] }),
      ]).compiled;
      assert.equal(passing(outgoing, NEAR, WEB), expected);
      const denied = compileAll([
        ...WORLD,
        ciliumPolicyOf({ ...CILIUM_WEB, ingress: [{ fromEntities: ['all'] }], ingressDeny: [{ toPorts }] }),
      ]).compiled;
      const others = ALL.split(' ').filter((probe) => !expected.split(' ').includes(probe));
      assert.equal(passing(denied, NEAR, WEB), others.join(' '));
    });
  }
  test('a name is each receiver’s own', () => {
    const { compiled } = compileAll([
      ...WORLD,
      ciliumPolicyOf({ endpointSelector: {}, egress: [{ toPorts: [{ ports: [{ port: 'http' }] }] }] }),
    ]);
    assert.equal(passing(compiled, NEAR, WEB), 'tcp80');
    assert.equal(passing(compiled, WEB, NEAR), 'tcp8080');
    assert.equal(passing(compiled, WEB, '203.0.113.7'), '');
  });
});

describe('ports of a NetworkPolicy', () => {
  for (const [what, port, expected] of NETWORK_POLICY) {
    test(what, () => {
      const incoming = compileAll([...WORLD, networkPolicyOf({ ...WEB_PODS, ingress: [{ ports: [port] }] })]).compiled;
      assert.equal(passing(incoming, NEAR, WEB), expected);
      const near = { podSelector: { matchLabels: { app: 'near' } }, policyTypes: ['Egress'] };
      const outgoing = compileAll([...WORLD, networkPolicyOf({ ...near, egress: [{ ports: [port] }] })]).compiled;
      assert.equal(passing(outgoing, NEAR, WEB), expected);
    });
  }
});

/** As IANA has them, for the names that Cilium has. */
const ICMP = {
  ...{ EchoReply: 0, DestinationUnreachable: 3, Redirect: 5, Echo: 8, EchoRequest: 8, RouterAdvertisement: 9, RouterSelection: 10 },
  ...{ TimeExceeded: 11, ParameterProblem: 12, Timestamp: 13, TimestampReply: 14, Photuris: 40, ExtendedEchoRequest: 42 },
  ExtendedEchoReply: 43,
};
const ICMPV6 = {
  ...{ DestinationUnreachable: 1, PacketTooBig: 2, TimeExceeded: 3, ParameterProblem: 4, EchoRequest: 128, EchoReply: 129 },
  ...{ MulticastListenerQuery: 130, MulticastListenerReport: 131, MulticastListenerDone: 132, RouterSolicitation: 133 },
  ...{ RouterAdvertisement: 134, NeighborSolicitation: 135, NeighborAdvertisement: 136, RedirectMessage: 137, RouterRenumbering: 138 },
  ...{ ICMPNodeInformationQuery: 139, ICMPNodeInformationResponse: 140, InverseNeighborDiscoverySolicitation: 141 },
  ...{ InverseNeighborDiscoveryAdvertisement: 142, HomeAgentAddressDiscoveryRequest: 144, HomeAgentAddressDiscoveryReply: 145 },
  ...{ MobilePrefixSolicitation: 146, MobilePrefixAdvertisement: 147, DuplicateAddressRequestCodeSuffix: 157 },
  ...{ DuplicateAddressConfirmationCodeSuffix: 158, ExtendedEchoRequest: 160, ExtendedEchoReply: 161 },
};

describe('types of ICMP', () => {
  /** Which types pass, of both families. */
  const typesPassing = (field: object) => {
    const policy = ciliumPolicyOf({ ...CILIUM_WEB, ingress: [{ icmps: [{ fields: [field] }] }] });
    const { compiled } = compileAll([...WORLD, policy]);
    const passes = (protocol: number) =>
      Array.from({ length: 256 }, (_, type) => type).filter((type) => compiled.judge(NEAR, WEB, protocol, type, HOSTS) === 'allow');
    return { ICMP: passes(IP_PROTOCOLS.ICMP), ICMPv6: passes(IP_PROTOCOLS.ICMPv6), TCP: passes(IP_PROTOCOLS.TCP) };
  };
  test('are known by each name that there is', () => {
    assert.deepEqual(Object.fromEntries(ICMP_TYPES), ICMP);
    assert.deepEqual(Object.fromEntries(ICMPV6_TYPES), ICMPV6);
  });
  for (const [type, number] of [
    ['Redirect', 5],
    ['EchoRequest', 8],
    [8, 8],
    ['8', 8],
    [0, 0],
    [255, 255],
    ['255', 255],
  ] as const) {
    for (const family of [undefined, '', 'IPv4']) {
      test(`${JSON.stringify(type)} of ${family ?? 'no family'}`, () =>
        assert.deepEqual(typesPassing({ type, family }), { ICMP: [number], ICMPv6: [], TCP: [] }));
    }
  }
  for (const [type, number] of [
    ['EchoRequest', 128],
    ['PacketTooBig', 2],
    [8, 8],
    ['161', 161],
  ] as const) {
    test(`${JSON.stringify(type)} of IPv6`, () =>
      assert.deepEqual(typesPassing({ type, family: 'IPv6' }), { ICMP: [], ICMPv6: [number], TCP: [] }));
  }
});
