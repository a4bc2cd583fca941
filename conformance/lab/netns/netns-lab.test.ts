import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../../testkit/capabilities.ts';
import { FAMILIES, type Family, NETWORKS, NetnsLab, OUTSIDE, type Outcome, type Place, type ProbeProtocol } from './index.ts';
import { addressBytes } from './packet.ts';

const PORT = 8080;
const CLOSED = 8081;
const PROTOCOLS: readonly ProbeProtocol[] = ['TCP', 'UDP', 'ICMP'];
/** Long enough for a machine that has other things to do; only what fails waits for it. */
const PATIENT_MS = 10_000;

for (const network of NETWORKS) {
  describe(`the lab with a ${network} network`, needs('root', 'netns'), () => {
    let lab: NetnsLab;
    before(async () => {
      lab = await NetnsLab.start({ network });
      for (const { prober } of lab.places) for (const protocol of ['TCP', 'UDP'] as const) await prober.serve(protocol, PORT);
    });
    after(() => lab?.stop());

    async function matrix(family: Family, protocol: ProbeProtocol, port = PORT): Promise<readonly [string, Outcome][]> {
      const pairs = lab.places.flatMap((from) => lab.places.map((to) => [from, to] as const));
      return await Promise.all(
        pairs.map(async ([from, to]): Promise<[string, Outcome]> => {
          const outcome = await from.prober.probe({ protocol, to: to.addresses[family], port, timeoutMs: PATIENT_MS });
          return [`${from.name} → ${to.name}`, outcome];
        }),
      );
    }

    /** Whether a probe arrived with these addresses. */
    async function arrives(from: Place, to: Place, family: Family, source: string): Promise<boolean> {
      const address = to.addresses[family];
      await to.prober.capture();
      // A datagram: of a connection, something may come when the next is asked about.
      assert.equal(await from.prober.probe({ protocol: 'UDP', to: address, port: PORT, timeoutMs: PATIENT_MS }), 'answered');
      return (await to.prober.captured(Buffer.concat([addressBytes(source), addressBytes(address)]))) > 0;
    }

    for (const family of FAMILIES) {
      for (const protocol of PROTOCOLS) {
        test(`everything reaches everything by ${protocol} over ${family}`, async () => {
          const outcomes = await matrix(family, protocol);
          assert.equal(outcomes.length, 49);
          assert.deepEqual(
            outcomes.filter(([, outcome]) => outcome !== 'answered'),
            [],
          );
        });
      }

      test(`what nobody serves is refused over ${family}`, async () => {
        for (const protocol of ['TCP', 'UDP'] as const) {
          const outcomes = await matrix(family, protocol, CLOSED);
          assert.deepEqual(
            outcomes.filter(([, outcome]) => outcome !== 'refused'),
            [],
          );
        }
      });

      test(`what is nowhere is unreachable or silent over ${family}`, async () => {
        const [pod] = lab.pods;
        const nowhere = { ipv4: '10.244.0.254', ipv6: 'fd00:244::fffe' }[family];
        const outcome = await pod?.prober.probe({ protocol: 'UDP', to: nowhere, port: PORT });
        assert.match(String(outcome), /^(unreachable|timedOut)$/);
      });

      test(`packets bear whose they are over ${family}, unless they are masqueraded`, async () => {
        const pod = lab.pod('pod-1-1');
        const other = lab.pod('pod-2-1');
        const { outside } = lab;
        const node = lab.node('node-1').addresses[family];
        const seen = async () => ({
          pod: await arrives(pod, other, family, pod.addresses[family]),
          toOutside: await arrives(pod, outside, family, pod.addresses[family]),
          toOutsideAsNode: await arrives(pod, outside, family, node),
          fromOutside: await arrives(outside, pod, family, outside.addresses[family]),
        });
        const plain = { pod: true, toOutside: true, toOutsideAsNode: false, fromOutside: true };
        assert.deepEqual(await seen(), plain);
        await lab.masquerade({ toOutside: true });
        assert.deepEqual(await seen(), { ...plain, toOutside: false, toOutsideAsNode: true });
        await lab.masquerade({ fromOutside: true });
        assert.deepEqual(await seen(), { ...plain, fromOutside: false });
        await lab.masquerade({});
        assert.deepEqual(await seen(), plain);
      });

      test(`a port of the node leads to a pod over ${family}`, async () => {
        const pod = lab.pod('pod-2-1');
        const address = pod.addresses[family];
        await lab.masquerade({ fromOutside: true, nodePorts: [{ port: 30_080, protocol: 'TCP', address, targetPort: PORT }] });
        for (const node of lab.nodes) {
          const probe = { protocol: 'TCP', to: node.addresses[family], port: 30_080, timeoutMs: PATIENT_MS } as const;
          assert.equal(await lab.outside.prober.probe(probe), 'answered', node.name);
        }
        await lab.masquerade({});
      });
    }

    test('the world has several addresses', async () => {
      const pod = lab.pod('pod-1-1');
      for (const addresses of OUTSIDE) {
        for (const family of FAMILIES) {
          const world = addresses[family];
          const to = pod.addresses[family];
          assert.equal(await pod.prober.probe({ protocol: 'UDP', to: world, port: PORT, timeoutMs: PATIENT_MS }), 'answered');
          const back = { protocol: 'TCP', to, port: PORT, from: world, timeoutMs: PATIENT_MS } as const;
          assert.equal(await lab.outside.prober.probe(back), 'answered');
        }
      }
    });

    test('a connection goes on until its way is gone', async () => {
      const late = await lab.addPod({ name: 'late', node: 'node-2' });
      await late.prober.serve('TCP', PORT);
      const stream = await lab.pod('pod-1-1').prober.stream({ to: late.addresses.ipv4, port: PORT });
      const { bytes } = await stream.state();
      await until(async () => (await stream.state()).bytes > bytes);
      assert.equal((await stream.state()).state, 'open');
      await lab.removePod('late');
      await until(async () => (await stream.state()).state !== 'open');
      assert.throws(() => lab.pod('late'), { code: 'not-found' });
      await stream.close();
    });

    test('a pod in the network of its node has its addresses, and a control group of its own', async () => {
      const pod = await lab.addPod({ name: 'on-host', node: 'node-1', isHostNetwork: true });
      await pod.prober.serve('TCP', 9_090);
      const client = lab.pod('pod-2-1');
      assert.equal(await client.prober.probe({ protocol: 'TCP', to: lab.node('node-1').addresses.ipv6, port: 9_090 }), 'answered');
      const group = await pod.run(['cat', '/proc/self/cgroup']);
      assert.match(group, /^0::.*\/node-1\/pods\/on-host$/m);
      await lab.removePod('on-host');
    });

    test('a device that is made anew leads to the same pod', async () => {
      const pod = lab.pod('pod-1-2');
      await lab.recreateDevice(pod.name);
      for (const family of FAMILIES) {
        const probe = { protocol: 'TCP', to: pod.addresses[family], port: PORT, timeoutMs: PATIENT_MS } as const;
        assert.equal(await lab.pod('pod-2-2').prober.probe(probe), 'answered');
      }
    });
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}
