import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS, type Place, type Pod } from '../lab/netns/index.ts';
import { addressBytes, arpRequest, ipPacket, udpDatagram } from '../lab/netns/packet.ts';
import { clusterOf, NOTHING_IN, peer, policyFor } from './objects.ts';
import { PolicedLab } from './policed-lab.ts';

const PORT = 8080;
const DENIED_PORT = 8081;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** The smallest that IPv6 may have. */
const NARROW_MTU = 1_280;
/** More than that, and less than what leaves a pod. */
const WIDE_BYTES = 1_350;
const FRAGMENT_BYTES = 600;
const PATIENT_MS = 10_000;

for (const network of NETWORKS) {
  describe(`packets in a ${network} network`, needs('root', 'netns', 'bpf'), () => {
    let policed: PolicedLab;
    let server: Pod;
    let near: Pod;
    let far: Pod;

    before(async () => {
      policed = await PolicedLab.start({ network });
      const { lab } = policed;
      [server, near, far] = [lab.pod('pod-1-1'), lab.pod('pod-1-2'), lab.pod('pod-2-1')];
      for (const { prober } of lab.places) await prober.serve('UDP', PORT, DENIED_PORT);
    });
    after(() => policed?.[Symbol.asyncDispose]());

    async function enforce(...policies: readonly KubeObject[]): Promise<void> {
      await policed.set([...clusterOf(policed.lab), ...policies]);
    }

    /** Sends packets, and then something that is answered: what was sent before that has come by then, or will not. */
    async function arrives(from: Place, to: Place, packets: readonly Uint8Array[], marker: Uint8Array): Promise<boolean> {
      await to.prober.capture();
      for (const packet of packets) await from.prober.sendPacket(packet);
      return await marked(from, to, marker);
    }

    async function marked(from: Place, to: Place, marker: Uint8Array): Promise<boolean> {
      const knock = { protocol: 'UDP', to: to.addresses.ipv4, port: PORT, timeoutMs: PATIENT_MS } as const;
      assert.equal(await from.prober.probe(knock), 'answered');
      return (await to.prober.captured(marker)) > 0;
    }

    function udp(from: string, to: string, port: number, data: Uint8Array): Uint8Array {
      return ipPacket({ from, to, protocol: IPPROTO_UDP, payload: udpDatagram(from, to, [40_000, port], data) });
    }

    /** A datagram in three fragments, each with its own marker. */
    function fragments(from: string, to: string, port: number, id: number) {
      const markers = Array.from({ length: 3 }, () => randomBytes(16));
      const data = Buffer.concat(markers.map((marker) => Buffer.concat([marker, Buffer.alloc(FRAGMENT_BYTES - 16)])));
      const datagram = udpDatagram(from, to, [40_001, port], data.subarray(8));
      const packets = markers.map((_, index) => {
        const offset = index * FRAGMENT_BYTES;
        const payload = datagram.subarray(offset, offset + FRAGMENT_BYTES);
        return ipPacket({ from, to, protocol: IPPROTO_UDP, payload, fragment: { id, offset, isLast: index === 2 } });
      });
      // The first begins with the header of UDP, in which there is none.
      return { packets, last: markers[2] ?? randomBytes(16) };
    }

    test('from an address that is not the pod’s go wherever they want while no program is there', async () => {
      for (const family of FAMILIES) {
        for (const [target, other] of [
          [near, far],
          [far, near],
        ] as const) {
          const marker = randomBytes(16);
          const packet = udp(other.addresses[family], target.addresses[family], PORT, marker);
          await eventually(async () =>
            assert.equal(await arrives(server, target, [packet], marker), true, `${target.name} over ${family}`),
          );
        }
      }
      await policed.startNodes();
    });

    for (const family of FAMILIES) {
      const addressOf = ({ addresses }: Place) => addresses[family];

      for (const where of ['same', 'other'] as const) {
        test(`from an address that is not the pod's go nowhere, to the ${where} node over ${family}`, async () => {
          await enforce();
          const target = where === 'same' ? near : far;
          const others = [addressOf(where === 'same' ? far : near), addressOf(policed.lab.node('node-1')), addressOf(policed.lab.outside)];
          for (const source of [addressOf(server), ...others]) {
            const marker = randomBytes(16);
            const packet = udp(source, addressOf(target), PORT, marker);
            if (source !== addressOf(server)) assert.equal(await arrives(server, target, [packet], marker), false, source);
            else await eventually(async () => assert.equal(await arrives(server, target, [packet], marker), true));
          }
        });

        test(`in fragments go where the first of them may go, to the ${where} node over ${family}`, async () => {
          const client = where === 'same' ? near : far;
          const ports = [{ protocol: 'UDP', port: PORT }];
          await enforce(policyFor(server.name, { ...NOTHING_IN, ingress: [{ from: [peer(client.name)], ports }] }));
          const [from, to] = [addressOf(client), addressOf(server)];
          let id = 100;
          // Two processors may change their order, and then the first is not the first.
          await eventually(async () => {
            id += 1;
            const allowed = fragments(from, to, PORT, id);
            assert.equal(await arrives(client, server, allowed.packets, allowed.last), true);
          });
          const denied = fragments(from, to, DENIED_PORT, 72);
          assert.equal(await arrives(client, server, denied.packets, denied.last), false);
          const headless = fragments(from, to, PORT, 73);
          assert.equal(await arrives(client, server, headless.packets.slice(1), headless.last), false);
        });
      }

      test(`that are too long for their way are told of to the pod over ${family}, though nothing is let in`, async () => {
        await enforce(policyFor(near.name, NOTHING_IN));
        await narrow(family, true);
        const [from, to] = [addressOf(near), addressOf(far)];
        const payload = udpDatagram(from, to, [41_234, PORT], Buffer.alloc(WIDE_BYTES));
        await near.prober.capture();
        await near.prober.sendPacket(ipPacket({ from, to, protocol: IPPROTO_UDP, payload, isWhole: true }));
        // The error holds the beginning of what it is about.
        const beginning = Buffer.concat([addressBytes(from), addressBytes(to), payload.subarray(0, 8)]);
        await eventually(async () => assert.ok((await near.prober.captured(beginning)) > 0));
        await narrow(family, false);
      });

      test(`that are errors about nothing that the pod sent go nowhere over ${family}`, async () => {
        await enforce(policyFor(server.name, { ...NOTHING_IN, ingress: [{ ports: [{ protocol: 'UDP', port: PORT }] }] }));
        const [from, to] = [addressOf(far), addressOf(server)];
        const marker = randomBytes(8);
        const about = udp(to, from, 7_777, marker);
        const isV6 = family === 'ipv6';
        // Nobody checks what the checksum is of before it has arrived.
        const payload = Buffer.concat([Uint8Array.of(isV6 ? 1 : 3, isV6 ? 4 : 3, 0, 0, 0, 0, 0, 0), about]);
        const packet = ipPacket({ from, to, protocol: isV6 ? 58 : 1, payload });
        assert.equal(await arrives(far, server, [packet], marker), false);
      });
    }

    test('of ARP that say that the pod is another go nowhere', async () => {
      await enforce();
      const { mac } = server.plan;
      assert.ok(mac);
      const dropped = async (claimed: string) => {
        const before = await droppedOf('spoofed-arp');
        await server.prober.sendFrame('eth0', arpRequest(mac, claimed, near.addresses.ipv4));
        await marked(server, near, randomBytes(4));
        return (await droppedOf('spoofed-arp')) - before;
      };
      assert.equal(await dropped(server.addresses.ipv4), 0);
      assert.equal(await dropped(far.addresses.ipv4), 1);
    });

    if (network !== 'routed') {
      test('of neighbour discovery that say that the pod is the node go nowhere', async () => {
        await enforce();
        const node = policed.lab.node('node-1');
        const [, gateway] =
          /inet6 (\S+)\//.exec(await node.run(['ip', '-6', '-o', 'address', 'show', 'dev', 'cni0', 'scope', 'link'])) ?? [];
        assert.ok(gateway);
        const dropped = async (target: string) => {
          const before = await droppedOf('spoofed-neighbour');
          const payload = Buffer.concat([Uint8Array.of(NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, 0xa0, 0, 0, 0), addressBytes(target)]);
          const from = server.addresses.ipv6;
          await server.prober.sendPacket(ipPacket({ from, to: near.addresses.ipv6, protocol: IPPROTO_ICMPV6, hopLimit: 255, payload }));
          await marked(server, near, randomBytes(4));
          return (await droppedOf('spoofed-neighbour')) - before;
        };
        assert.equal(await dropped(server.addresses.ipv6), 0);
        await eventually(async () => assert.equal(await dropped(gateway), 1));
      });
    }

    async function droppedOf(reason: string): Promise<number> {
      return (await policed.counters(policed.lab.node('node-1')))[`egress dropped-${reason}`] ?? 0;
    }

    /** Makes the way between the nodes narrow for what they forward, or as it was. */
    async function narrow(family: Family, isNarrow: boolean): Promise<void> {
      const node = policed.lab.node('node-1');
      const target = far.plan.node.pods[family];
      const flag = family === 'ipv6' ? ['-6'] : ['-4'];
      const [route = ''] = (await node.run(['ip', ...flag, 'route', 'show', target])).trim().split('\n');
      const words = route
        .replace(/ (mtu|expires|pref|metric|proto|linkdown) ?(lock )?\S*/g, '')
        .trim()
        .split(/\s+/);
      await node.run(['ip', ...flag, 'route', 'replace', ...words, ...(isNarrow ? ['mtu', 'lock', String(NARROW_MTU)] : [])]);
    }
  });
}
