import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, NETWORKS, type Outcome, type Pod, type Stream } from '../lab/netns/index.ts';
import { clusterOf, peer, policyFor } from './objects.ts';
import { PolicedLab } from './policed-lab.ts';

const PORT = 8080;
const DENIED_PORT = 8081;
/** By each client over each family: a hundred in all. */
const STREAMS = 25;
const NOTHING = { policyTypes: ['Ingress', 'Egress'], ingress: [] } as const;
/** How long what is to end is retransmitted. */
const BREAKS_AFTER_MS = 1_500;
const SHORT_MS = 200;
/** Retransmissions included. */
const PATIENT_MS = 10_000;
/** New connections at any moment, while something happens. */
const AT_ONCE = 4;

for (const network of NETWORKS) {
  describe(`what happens to connections in a ${network} network`, needs('root', 'netns', 'bpf'), () => {
    let policed: PolicedLab;
    let server: Pod;
    let clients: readonly Pod[];

    before(async () => {
      policed = await PolicedLab.start({ network });
      const { lab } = policed;
      server = lab.pod('pod-1-1');
      clients = [lab.pod('pod-1-2'), lab.pod('pod-2-1')];
      await server.prober.serve('TCP', PORT, DENIED_PORT);
    });
    after(() => policed?.[Symbol.asyncDispose]());
    beforeEach(() => {
      policed.failures.length = 0;
    });
    afterEach(async () => {
      for (const node of policed.lab.nodes) await policed.cleanUp(node);
    });

    async function enforce(...policies: readonly KubeObject[]): Promise<void> {
      await policed.set([...clusterOf(policed.lab), ...policies]);
    }

    function allowing(...pods: readonly Pod[]): KubeObject {
      const from = pods.map(({ name }) => peer(name));
      // Nor may it open any itself: of a connection that nobody saw being opened, it could have been the opener.
      return policyFor(server.name, { ...NOTHING, ingress: from.length === 0 ? [] : [{ from, ports: [{ port: PORT }] }] });
    }

    async function openStreams(count = 1, timeoutMs = BREAKS_AFTER_MS): Promise<readonly Stream[]> {
      const all = Array.from({ length: count }, () => clients.flatMap((client) => FAMILIES.map((family) => ({ client, family })))).flat();
      const options = (family: Family) => ({ to: server.addresses[family], port: PORT, timeoutMs });
      return await Promise.all(all.map(({ client, family }) => client.prober.stream(options(family))));
    }

    async function assertGoesOn(streams: readonly Stream[]): Promise<void> {
      for (const stream of streams) {
        const { bytes } = await stream.state();
        await eventually(async () => {
          const now = await stream.state();
          assert.equal(now.state, 'open');
          assert.ok(now.bytes > bytes, 'nothing came back since');
        });
      }
    }

    /** Not a byte passes any more: what is counted now is what will be counted when the connection is given up. */
    async function assertEnds(streams: readonly Stream[]): Promise<void> {
      for (const stream of streams) {
        const { bytes } = await stream.state();
        await eventually(async () => assert.equal((await stream.state()).state, 'ETIMEDOUT'));
        assert.equal((await stream.state()).bytes, bytes);
      }
    }

    async function closeAll(streams: readonly Stream[]): Promise<void> {
      await Promise.all(streams.map((stream) => stream.close()));
    }

    /** Opens connections all the time until something is done; gives what became of those that are allowed, and of those that are not. */
    async function withNewConnections(action: () => Promise<void>): Promise<{ allowed: readonly Outcome[]; denied: readonly Outcome[] }> {
      const allowed: Outcome[] = [];
      const denied: Outcome[] = [];
      let isDone = false;
      const open = async (client: Pod, family: Family, port: number, outcomes: Outcome[]) => {
        const timeoutMs = port === PORT ? PATIENT_MS : SHORT_MS;
        do outcomes.push(await client.prober.probe({ protocol: 'TCP', to: server.addresses[family], port, timeoutMs }));
        while (!isDone);
      };
      const loops = Array.from({ length: AT_ONCE }, () =>
        clients.flatMap((client) =>
          FAMILIES.flatMap((family) => [open(client, family, PORT, allowed), open(client, family, DENIED_PORT, denied)]),
        ),
      ).flat();
      try {
        await action();
      } finally {
        isDone = true;
        await Promise.all(loops);
      }
      return { allowed, denied };
    }

    /** Why packets were dropped, other than that no rule allows them: a retransmission would hide it. */
    async function otherDrops(): Promise<readonly string[]> {
      const counters = await Promise.all(policed.lab.nodes.map((node) => policed.counters(node)));
      return counters.flatMap((each) => Object.keys(each).filter((name) => / dropped-(?!not-allowed$)/.test(name)));
    }

    test('that were open before the first start go on where policy allows them, and end where it does not', async () => {
      const streams = await openStreams();
      const [near, far] = clients;
      assert.ok(near && far);
      await enforce(allowing(near));
      await policed.startNodes();
      const [nearStreams, farStreams] = [streams.slice(0, FAMILIES.length), streams.slice(FAMILIES.length)];
      await assertEnds(farStreams);
      await assertGoesOn(nearStreams);
      await closeAll(streams);
    });

    test('that are open end when their verdict is revoked, and others go on', async () => {
      const [near, far] = clients;
      assert.ok(near && far);
      await enforce(allowing(near, far));
      await policed.startNodes();
      const streams = await openStreams();
      await assertGoesOn(streams);
      await enforce(allowing(far));
      await assertEnds(streams.slice(0, FAMILIES.length));
      await assertGoesOn(streams.slice(FAMILIES.length));
      await closeAll(streams);
    });

    test('are not harmed when the process of their node is killed and started again, and none that is denied passes', async () => {
      await enforce(allowing(...clients));
      await policed.startNodes();
      const streams = await openStreams(STREAMS, PATIENT_MS);
      const { allowed, denied } = await withNewConnections(async () => {
        for (let round = 0; round < 2; round += 1) {
          for (const node of policed.lab.nodes) await policed.killNode(node);
          await assertGoesOn(streams.slice(0, clients.length * FAMILIES.length));
          // Whoever comes next loads its own programs, and puts them in the place of those that are there.
          await policed.startNodes();
        }
      });
      assert.ok(allowed.length > 100, `${allowed.length} new connections`);
      assert.deepEqual([...new Set(allowed)], ['answered']);
      assert.deepEqual([...new Set(denied)], ['timedOut']);
      await assertGoesOn(streams);
      assert.deepEqual(await otherDrops(), []);
      assert.deepEqual(policed.failures, []);
      await closeAll(streams);
    });

    test('are judged as before while no process is there, and anew as soon as one is', async () => {
      const [near, far] = clients;
      assert.ok(near && far);
      await enforce(allowing(near));
      await policed.startNodes();
      for (const node of policed.lab.nodes) await policed.killNode(node);
      await enforce(allowing(far));
      const ask = (client: Pod, timeoutMs: number) =>
        client.prober.probe({ protocol: 'TCP', to: server.addresses.ipv6, port: PORT, timeoutMs });
      assert.equal(await ask(near, PATIENT_MS), 'answered');
      assert.equal(await ask(far, SHORT_MS), 'timedOut');
      await policed.startNodes();
      assert.equal(await ask(far, PATIENT_MS), 'answered');
      assert.equal(await ask(near, SHORT_MS), 'timedOut');
    });

    test('pass as if nothing had been there when all is taken away', async () => {
      await enforce(allowing());
      await policed.startNodes();
      const [near] = clients;
      const ask = (timeoutMs: number) => near?.prober.probe({ protocol: 'TCP', to: server.addresses.ipv4, port: PORT, timeoutMs });
      assert.equal(await ask(SHORT_MS), 'timedOut');
      for (const node of policed.lab.nodes) await policed.cleanUp(node);
      assert.equal(await ask(PATIENT_MS), 'answered');
      for (const node of policed.lab.nodes) {
        const filters = await node.run([
          'sh',
          '-c',
          `for device in $(ip -o link | cut -d' ' -f2 | tr -d : | cut -d@ -f1); do tc filter show dev $device ingress; done; ls ${node.bpfFolder}`,
        ]);
        assert.equal(filters, '');
      }
    });
  });
}
