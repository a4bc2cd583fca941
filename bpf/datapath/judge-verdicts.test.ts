import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { type DirectionPolicy, IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import type { Outcome } from './index.ts';
import { encodeAddress } from './prefix.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, OPEN, OTHER, openBut, verdict } from './testing/judged.ts';
import { echo, icmp, packet, sctp, TCP, tcp, udp } from './testing/packets.ts';

enterOwnNamespaces();

type Peer = Exclude<keyof typeof ADDRESSES, 'web'>;
const { TCP: TCP_NUMBER, UDP, SCTP, ICMP, ICMPv6 } = IP_PROTOCOLS;
const ANY_PEER = 0;
const GRE = 47;
const ESP = 50;

/** Source ports, so that no packet belongs to the connection of another. */
let port = 20_000;

describe('verdicts', needs('root'), () => {
  let judged: Judged;
  before(async () => {
    judged = await Judged.open();
  });
  after(() => judged[Symbol.dispose]());

  /** What becomes of the first packet of a connection that a peer opens, or the pod. @param family an index of addresses */
  function outcomeOf(
    direction: 'ingress' | 'egress',
    peer: Peer,
    family: 0 | 1,
    { protocol, to }: { protocol: number; to: number },
  ): Outcome {
    port += 1;
    const [local, remote] = [ADDRESSES.web[family], ADDRESSES[peer][family]];
    const [from, destination] = direction === 'ingress' ? [remote, local] : [local, remote];
    const payloads: Readonly<Record<number, () => Uint8Array>> = {
      [TCP_NUMBER]: () => tcp(port, to, TCP.SYN),
      [UDP]: () => udp(port, to),
      [SCTP]: () => sctp(port, to),
      [ICMP]: () => icmp(to),
      [ICMPv6]: () => icmp(to),
    };
    const payload = payloads[protocol]?.() ?? new Uint8Array(20);
    // Without ports, what goes the other way is a reply.
    const number = protocol === GRE && direction === 'egress' ? ESP : protocol;
    const ip = { from, to: destination, protocol: number };
    return judged.outcomeOf(direction === 'ingress' ? 'to_pod' : 'from_pod', packet(ip, payload));
  }

  const cases: readonly {
    readonly what: string;
    readonly policy: DirectionPolicy;
    /** Peer, protocol, destination port or type, and what is expected. */
    readonly expected: readonly (readonly [peer: Peer, protocol: number, to: number, outcome: Outcome])[];
  }[] = [
    {
      what: 'nothing is said',
      policy: OPEN,
      expected: [
        ['client', TCP_NUMBER, 80, 'passed-unrestricted'],
        ['unknown', UDP, 53, 'passed-unrestricted'],
        ['world', GRE, 0, 'passed-unrestricted'],
      ],
    },
    {
      what: 'all is closed',
      policy: CLOSED,
      expected: [
        ['client', TCP_NUMBER, 80, 'dropped-not-allowed'],
        ['unknown', TCP_NUMBER, 80, 'dropped-not-allowed'],
        ['world', UDP, 53, 'dropped-not-allowed'],
        ['client', GRE, 0, 'dropped-not-allowed'],
      ],
    },
    {
      what: 'one peer may reach one port',
      policy: closedBut(allow(CLIENT, 80)),
      expected: [
        ['client', TCP_NUMBER, 80, 'passed-allowed'],
        ['client', TCP_NUMBER, 81, 'dropped-not-allowed'],
        ['client', UDP, 80, 'dropped-not-allowed'],
        ['other', TCP_NUMBER, 80, 'dropped-not-allowed'],
        ['unknown', TCP_NUMBER, 80, 'dropped-not-allowed'],
      ],
    },
    {
      what: 'any peer may reach ports of one prefix',
      policy: closedBut(verdict('allow', ANY_PEER, UDP, 8192, 3)),
      expected: [
        ['other', UDP, 8191, 'dropped-not-allowed'],
        ['other', UDP, 8192, 'passed-allowed'],
        ['unknown', UDP, 16_383, 'passed-allowed'],
        ['other', UDP, 16_384, 'dropped-not-allowed'],
      ],
    },
    {
      what: 'a protocol may be used with any port, and another with any protocol',
      policy: closedBut(verdict('allow', CLIENT, SCTP), allow(OTHER)),
      expected: [
        ['client', SCTP, 5000, 'passed-allowed'],
        ['client', TCP_NUMBER, 5000, 'dropped-not-allowed'],
        ['other', TCP_NUMBER, 1, 'passed-allowed'],
        ['other', GRE, 0, 'passed-allowed'],
      ],
    },
    {
      what: 'a denial for any peer wins over a permission of one',
      policy: openBut(allow(CLIENT, 80), verdict('deny', ANY_PEER, TCP_NUMBER)),
      expected: [
        ['client', TCP_NUMBER, 80, 'dropped-denied'],
        ['client', UDP, 80, 'passed-unrestricted'],
      ],
    },
    {
      what: 'a denial for one peer wins over a permission of any, and holds where nothing else is closed',
      policy: openBut(verdict('deny', CLIENT), verdict('allow', ANY_PEER, TCP_NUMBER, 80)),
      expected: [
        ['client', TCP_NUMBER, 80, 'dropped-denied'],
        ['client', UDP, 1, 'dropped-denied'],
        ['other', TCP_NUMBER, 80, 'passed-allowed'],
        ['other', TCP_NUMBER, 81, 'passed-unrestricted'],
      ],
    },
    {
      what: 'a slot wins over a permission and not over a denial',
      policy: closedBut(
        verdict('slot', CLIENT, TCP_NUMBER, 80),
        allow(ANY_PEER),
        verdict('deny', ANY_PEER, TCP_NUMBER, 81),
        verdict('slot', CLIENT, TCP_NUMBER, 81),
      ),
      expected: [
        ['client', TCP_NUMBER, 80, 'dropped-slot'],
        ['other', TCP_NUMBER, 80, 'passed-allowed'],
        ['client', TCP_NUMBER, 81, 'dropped-denied'],
      ],
    },
    {
      what: 'both worlds are apart',
      policy: closedBut(allow(RESERVED_IDENTITIES['world-ipv4'])),
      expected: [['client', TCP_NUMBER, 80, 'dropped-not-allowed']],
    },
  ];
  for (const { what, policy, expected } of cases) {
    for (const direction of ['ingress', 'egress'] as const) {
      test(`${direction}: ${what}`, async () => {
        await judged.setPolicy(direction === 'ingress' ? policy : OPEN, direction === 'egress' ? policy : OPEN);
        for (const [peer, protocol, to, outcome] of expected) {
          for (const family of [0, 1] as const) {
            assert.equal(outcomeOf(direction, peer, family, { protocol, to }), outcome, `${peer} ${protocol}/${to}, family ${family}`);
          }
        }
      });
    }
  }

  test('a world of one family is none of the other', async () => {
    await judged.setPolicy(closedBut(allow(RESERVED_IDENTITIES['world-ipv4'])), OPEN);
    assert.equal(outcomeOf('ingress', 'world', 0, { protocol: TCP_NUMBER, to: 1 }), 'passed-allowed');
    assert.equal(outcomeOf('ingress', 'world', 1, { protocol: TCP_NUMBER, to: 1 }), 'dropped-not-allowed');
  });

  test('the node that the pod runs on reaches it unless a rule denies that, and is reached as is said', async () => {
    await judged.setPolicy(closedBut(verdict('slot', ANY_PEER, TCP_NUMBER, 80), verdict('deny', ANY_PEER, TCP_NUMBER, 81)), CLOSED);
    for (const family of [0, 1] as const) {
      assert.equal(outcomeOf('ingress', 'host', family, { protocol: UDP, to: 80 }), 'passed-host');
      assert.equal(outcomeOf('ingress', 'host', family, { protocol: TCP_NUMBER, to: 80 }), 'passed-host');
      assert.equal(outcomeOf('ingress', 'host', family, { protocol: TCP_NUMBER, to: 81 }), 'dropped-denied');
      assert.equal(outcomeOf('egress', 'host', family, { protocol: TCP_NUMBER, to: 80 }), 'dropped-not-allowed');
    }
  });

  test('ICMP is judged by its type', async () => {
    await judged.setPolicy(closedBut(verdict('allow', CLIENT, ICMP, 8, 16), verdict('allow', CLIENT, ICMPv6, 128, 16)), OPEN);
    const [web, client] = [ADDRESSES.web, ADDRESSES.client];
    for (const [index, protocol, request, timestamp] of [
      [0, ICMP, 8, 13],
      [1, ICMPv6, 128, 200],
    ] as const) {
      const ip = { from: client[index], to: web[index], protocol };
      assert.equal(judged.outcomeOf('to_pod', packet(ip, echo(request, 7))), 'passed-allowed');
      assert.equal(judged.outcomeOf('to_pod', packet(ip, icmp(timestamp))), 'dropped-not-allowed');
      const reply = packet({ from: web[index], to: client[index], protocol }, echo(request === 8 ? 0 : 129, 7));
      assert.equal(judged.outcomeOf('from_pod', reply), 'passed-reply');
    }
  });

  test('an identity that nothing is known of sends and receives nothing', async () => {
    await judged.datapath.verdicts.remove([1000]);
    for (const direction of ['ingress', 'egress'] as const) {
      assert.equal(outcomeOf(direction, 'client', 0, { protocol: TCP_NUMBER, to: 80 }), 'dropped-no-policy');
    }
    await judged.datapath.endpoints.remove(1);
    assert.equal(outcomeOf('egress', 'client', 0, { protocol: TCP_NUMBER, to: 80 }), 'dropped-no-endpoint');
    await judged.datapath.endpoints.set(1, { identity: 1000, addresses: ADDRESSES.web });
  });

  test('what is sent to the address of a Service by a pod that policy holds for is dropped as that', async () => {
    using services = openMap('/sys/fs/bpf/sluice/service_addresses', ...maps.service_addresses);
    const [web, client] = [ADDRESSES.web, ADDRESSES.client];
    for (const family of [0, 1] as const) {
      const service = { address: encodeAddress(client[family]), port: 443, protocol: TCP_NUMBER, pad: 0 };
      services.set(service, 1);
      await judged.setPolicy(OPEN, openBut(allow(CLIENT)));
      assert.equal(outcomeOf('egress', 'client', family, { protocol: TCP_NUMBER, to: 443 }), 'dropped-service');
      assert.equal(outcomeOf('egress', 'client', family, { protocol: UDP, to: 443 }), 'passed-allowed');
      assert.equal(outcomeOf('egress', 'client', family, { protocol: TCP_NUMBER, to: 80 }), 'passed-allowed');
      const arrived = packet({ from: client[family], to: web[family], protocol: TCP_NUMBER }, tcp(443, 1, TCP.SYN));
      assert.equal(judged.outcomeOf('to_pod', arrived), 'passed-unrestricted', 'what comes from there is another matter');
      await judged.setPolicy(CLOSED, OPEN);
      assert.equal(outcomeOf('egress', 'client', family, { protocol: TCP_NUMBER, to: 443 }), 'passed-unrestricted', 'others translate it');
      services.delete(service);
    }
  });

  test('what is decided is counted with the verdict', async () => {
    await judged.setPolicy(closedBut(allow(CLIENT, 4242)), OPEN);
    for (let count = 0; count < 3; count += 1) outcomeOf('ingress', 'client', 0, { protocol: TCP_NUMBER, to: 4242 });
    const listed = [...judged.datapath.verdicts.entries(1000)];
    assert.deepEqual(
      listed.map(({ direction, peer, port, decision, decided }) => ({ direction, peer, port, decision, decided })),
      [{ direction: 'ingress', peer: CLIENT, port: 4242, decision: 'allow', decided: 3n }],
    );
  });
});
