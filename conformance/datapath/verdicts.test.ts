import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, NETWORKS, OUTSIDE, type Outcome, type Place, type Pod, type ProbeProtocol } from '../lab/netns/index.ts';
import { ciliumPolicyFor, clusterOf, NOTHING_IN, NOTHING_OUT, peer, policyFor } from './objects.ts';
import { PolicedLab } from './policed-lab.ts';

const PORT = 8080;
const OTHER_PORT = 8081;
const CLOSED_PORT = 9999;
const NODE_PORT = 30_080;
/** What is denied takes so long, what is allowed longer only on a busy machine. */
const SHORT_MS = 300;
const PATIENT_MS = 10_000;

const TALKS = { tcp: ['TCP', PORT], otherTcp: ['TCP', OTHER_PORT], udp: ['UDP', PORT], icmp: ['ICMP', 0] } as const;
const ALL = { tcp: true, otherTcp: true, udp: true, icmp: true };
const NONE = { tcp: false, otherTcp: false, udp: false, icmp: false };

for (const network of NETWORKS) {
  describe(`verdicts in a ${network} network`, needs('root', 'netns', 'bpf'), () => {
    let policed: PolicedLab;
    let server: Pod;
    let near: Pod;
    let far: Pod;

    before(async () => {
      policed = await PolicedLab.start({ network });
      const { lab } = policed;
      for (const { prober } of lab.places) for (const protocol of ['TCP', 'UDP'] as const) await prober.serve(protocol, PORT, OTHER_PORT);
      [server, near, far] = [lab.pod('pod-1-1'), lab.pod('pod-1-2'), lab.pod('pod-2-1')];
      await policed.startNodes();
    });
    after(() => policed?.[Symbol.asyncDispose]());

    async function enforce(...policies: readonly KubeObject[]): Promise<void> {
      await policed.set([...clusterOf(policed.lab), ...policies]);
    }

    async function probe(from: Place, to: string, protocol: ProbeProtocol, port: number, timeoutMs: number): Promise<Outcome> {
      return await from.prober.probe({ to, protocol, port, timeoutMs });
    }

    /** That something is dropped is seen by nothing but time. */
    async function talks(from: Place, to: string, expected: typeof ALL): Promise<void> {
      const names = Object.keys(TALKS) as (keyof typeof TALKS)[];
      const outcomes = await Promise.all(
        names.map(async (name) => {
          const [protocol, port] = TALKS[name];
          const outcome = await probe(from, to, protocol, port, expected[name] ? PATIENT_MS : SHORT_MS);
          return [name, outcome === 'answered'] as const;
        }),
      );
      assert.deepEqual(Object.fromEntries(outcomes), expected, `${from.name} → ${to}`);
    }

    for (const family of FAMILIES) {
      const addressOf = ({ addresses }: Place) => addresses[family];
      describe(family, () => {
        test('without a policy everything passes', async () => {
          await enforce();
          const { lab } = policed;
          await Promise.all([near, far, lab.outside, ...lab.nodes].map((from) => talks(from, addressOf(server), ALL)));
          await Promise.all([near, far, lab.outside, ...lab.nodes].map((to) => talks(server, addressOf(to), ALL)));
        });

        test('where nothing is let in, nothing but the own node gets in, and what goes out is answered', async () => {
          await enforce(policyFor(server.name, NOTHING_IN));
          const { lab } = policed;
          await Promise.all([near, far, lab.outside, lab.node('node-2')].map((from) => talks(from, addressOf(server), NONE)));
          await talks(lab.node('node-1'), addressOf(server), ALL);
          await Promise.all([near, far, lab.outside, ...lab.nodes].map((to) => talks(server, addressOf(to), ALL)));
        });

        test('where nothing is let out, nothing but what is for the own node gets out, and what comes in is answered', async () => {
          await enforce(policyFor(server.name, NOTHING_OUT));
          const { lab } = policed;
          await Promise.all([near, far, lab.outside, lab.node('node-2')].map((to) => talks(server, addressOf(to), NONE)));
          await talks(server, addressOf(lab.node('node-1')), ALL);
          await Promise.all([near, far, lab.outside].map((from) => talks(from, addressOf(server), ALL)));
        });

        for (const where of ['same', 'other'] as const) {
          test(`a pod of the ${where} node is let in where a rule says so, and to nothing else`, async () => {
            const [allowed, denied] = where === 'same' ? [near, far] : [far, near];
            const ports = [{ protocol: 'TCP', port: PORT }];
            await enforce(policyFor(server.name, { ingress: [{ from: [peer(allowed.name)], ports }] }));
            await talks(allowed, addressOf(server), { ...NONE, tcp: true });
            await talks(denied, addressOf(server), NONE);
          });

          test(`a pod of the ${where} node is reached where a rule of both lets it, and by nothing else`, async () => {
            const [allowed, denied] = where === 'same' ? [near, far] : [far, near];
            const ports = [{ protocol: 'UDP', port: PORT }];
            await enforce(
              policyFor(server.name, { policyTypes: ['Egress'], egress: [{ to: [peer(allowed.name)], ports }] }),
              policyFor(allowed.name, { ingress: [{ from: [peer(server.name)], ports }] }),
            );
            await talks(server, addressOf(allowed), { ...NONE, udp: true });
            await talks(server, addressOf(denied), NONE);
            await talks(denied, addressOf(allowed), NONE);
          });

          test(`a denial prevails for a pod of the ${where} node`, async () => {
            const client = where === 'same' ? near : far;
            const fromEndpoints = [{ matchLabels: { app: client.name } }];
            const toPorts = [{ ports: [{ port: String(PORT), protocol: 'TCP' }] }];
            await enforce(
              ciliumPolicyFor(server.name, { ingress: [{ fromEntities: ['all'] }], ingressDeny: [{ fromEndpoints, toPorts }] }),
            );
            await talks(client, addressOf(server), { ...ALL, tcp: false });
            await talks(policed.lab.outside, addressOf(server), ALL);
          });

          test(`a block lets a pod of the ${where} node in by the address that it holds, and not by its other`, async () => {
            const client = where === 'same' ? near : far;
            const cidr = `${addressOf(client)}/${family === 'ipv4' ? 32 : 128}`;
            await enforce(policyFor(server.name, { ingress: [{ from: [{ ipBlock: { cidr } }] }] }));
            await talks(client, addressOf(server), ALL);
            await talks(client, server.addresses[family === 'ipv4' ? 'ipv6' : 'ipv4'], NONE);
          });

          test(`errors about what a pod sends to one of the ${where} node reach it, though nothing is let in`, async () => {
            const client = where === 'same' ? near : far;
            await enforce(policyFor(client.name, NOTHING_IN));
            for (const protocol of ['TCP', 'UDP'] as const) {
              assert.equal(await probe(client, addressOf(server), protocol, CLOSED_PORT, PATIENT_MS), 'refused', protocol);
            }
          });
        }

        test('a rule that denies all denies the own node too', async () => {
          const toPorts = [{ ports: [{ port: String(PORT), protocol: 'TCP' }] }];
          await enforce(ciliumPolicyFor(server.name, { ingress: [{ fromEntities: ['all'] }], ingressDeny: [{ toPorts }] }));
          await talks(policed.lab.node('node-1'), addressOf(server), { ...ALL, tcp: false });
        });

        test('a pod reaches itself, whatever is denied', async () => {
          await enforce(policyFor(server.name, { policyTypes: ['Ingress', 'Egress'] }));
          await talks(server, addressOf(server), ALL);
        });

        test('the world is told from nodes and pods, and parts of it from others', async () => {
          const [first, second] = OUTSIDE;
          assert.ok(second);
          const cidr = { ipv4: '203.0.113.0/25', ipv6: '2001:db8:ff::/64' }[family];
          await enforce(policyFor(server.name, { ingress: [{ from: [{ ipBlock: { cidr } }] }] }));
          const ask = (from: string, timeoutMs: number) =>
            policed.lab.outside.prober.probe({ to: addressOf(server), protocol: 'TCP', port: PORT, from, timeoutMs });
          assert.equal(await ask(first[family], PATIENT_MS), 'answered');
          assert.equal(await ask(second[family], SHORT_MS), 'timedOut');
          await talks(near, addressOf(server), NONE);
        });

        test('who comes from outside is no node, though it has the address of one by then', async () => {
          const address = addressOf(server);
          await policed.lab.masquerade({ fromOutside: true, nodePorts: [{ port: NODE_PORT, protocol: 'TCP', address, targetPort: PORT }] });
          const node = addressOf(policed.lab.node('node-1'));
          await enforce(policyFor(server.name, NOTHING_IN));
          await talks(policed.lab.outside, address, NONE);
          assert.equal(await probe(policed.lab.outside, node, 'TCP', NODE_PORT, SHORT_MS), 'timedOut');
          const cidr = family === 'ipv4' ? '203.0.113.0/24' : '2001:db8:ff::/48';
          await enforce(policyFor(server.name, { ingress: [{ from: [{ ipBlock: { cidr } }] }] }));
          await talks(policed.lab.outside, address, ALL);
          assert.equal(await probe(policed.lab.outside, node, 'TCP', NODE_PORT, PATIENT_MS), 'answered');
          await policed.lab.masquerade({});
        });

        test('what goes outside may be masqueraded, and is answered', async () => {
          await policed.lab.masquerade({ toOutside: true });
          const cidr = family === 'ipv4' ? '203.0.113.0/24' : '2001:db8:ff::/48';
          await enforce(policyFor(server.name, { policyTypes: ['Ingress', 'Egress'], egress: [{ to: [{ ipBlock: { cidr } }] }] }));
          await talks(server, addressOf(policed.lab.outside), ALL);
          await talks(server, addressOf(far), NONE);
          await policed.lab.masquerade({});
        });
      });
    }

    test('nodes had nothing to complain about', () => {
      assert.deepEqual(policed.failures, []);
    });
  });
}
