import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, NETWORKS, type Node, type Outcome, type Place, type Pod } from '../lab/netns/index.ts';
import { awaitedObject, EnforcementScene, NAMESPACE, type Newcomer, podObject, read } from './scene.ts';

const PORT = 8080;
const OTHER_PORT = 8081;
const ANSWERED: readonly Outcome[] = ['answered', 'answered'];
const SILENT: readonly Outcome[] = ['timedOut', 'timedOut'];
const { init } = RESERVED_IDENTITIES;

/** Who is `isolated` may ask `pod-1-1` for one port, and nothing else is allowed to it. */
const ISOLATED = read({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'isolated', namespace: NAMESPACE },
  spec: {
    podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['isolated', 'other'] }] },
    policyTypes: ['Ingress', 'Egress'],
    egress: [{ to: [{ podSelector: { matchLabels: { app: 'pod-1-1' } } }], ports: [{ port: PORT }] }],
  },
});

const OF_INIT = read({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumClusterwideNetworkPolicy',
  metadata: { name: 'init' },
  spec: {
    endpointSelector: { matchLabels: { 'reserved:init': '' } },
    egress: [{ toEndpoints: [{ matchLabels: { app: 'pod-1-1' } }], toPorts: [{ ports: [{ port: String(OTHER_PORT), protocol: 'TCP' }] }] }],
  },
});

/** What comes of asking, by both families. */
async function ask(from: Place, to: Place, port = PORT): Promise<readonly Outcome[]> {
  return await Promise.all(
    FAMILIES.map((family) => from.prober.probe({ protocol: 'TCP', to: to.addresses[family], port, timeoutMs: 700 })),
  );
}

for (const network of NETWORKS) {
  describe(`a pod that starts, ${network}`, needs('root', 'bpf', 'netns'), () => {
    const cleanUp = new AsyncDisposableStack();
    let scene: EnforcementScene;
    let node: Node;
    let near: Pod;
    let far: Pod;
    let published: KubeObject[] = [];
    before(async () => {
      scene = cleanUp.use(await EnforcementScene.start(network));
      node = scene.lab.node('node-1');
      [near, far] = [scene.lab.pod('pod-1-1'), scene.lab.pod('pod-2-1')];
      for (const port of [PORT, OTHER_PORT]) await near.prober.serve('TCP', port);
      await far.prober.serve('TCP', PORT);
      scene.publish(ISOLATED);
      await Promise.all(scene.lab.nodes.map((each) => scene.startAgent(each)));
      await scene.inForce();
    });
    after(() => cleanUp.disposeAsync());
    afterEach(async () => {
      scene.withdraw(...published);
      published = [];
      for (const { name, node: nodeName, isHostNetwork } of scene.lab.pods) {
        if (!isHostNetwork && nodeName === node.name && !name.startsWith('pod-')) await scene.lab.removePod(name);
      }
      await scene.inForce();
    });

    async function publish(...objects: readonly KubeObject[]): Promise<void> {
      published.push(...objects);
      scene.publish(...objects);
      await scene.inForce();
    }

    /** Makes a pod's device. Nobody tells its address. */
    async function start(name: string): Promise<Pod> {
      const pod = await scene.lab.addPod({ name, node: node.name });
      await pod.prober.serve('TCP', PORT);
      return pod;
    }

    async function judged({ plan, addresses }: Pod, identity?: number): Promise<Newcomer> {
      return await eventually(async () => {
        const found = (await scene.newcomers(node)).find(({ device }) => device === plan.device);
        assert.ok(found, 'it is not judged yet');
        assert.deepEqual(found.addresses, Object.values(addresses).sort());
        if (identity !== undefined) assert.equal(found.identity, identity);
        return found;
      });
    }

    async function tell(pod: Pod, app: string): Promise<void> {
      scene.publish(podObject(pod, { app }));
      await scene.inForce();
      await eventually(async () => assert.deepEqual(await scene.newcomers(node), []));
    }

    test('and is isolated sends and receives nothing before anybody tells its address, and then what is allowed', async () => {
      await publish(awaitedObject('late', node.name, { app: 'isolated' }), awaitedObject('other', node.name, { app: 'other' }));
      const late = await start('late');
      await judged(late, init);
      for (const to of [near, far]) assert.deepEqual(await ask(late, to), SILENT, to.name);
      for (const from of [near, far, scene.lab.outside]) assert.deepEqual(await ask(from, late), SILENT, from.name);
      assert.deepEqual(await ask(node, late), ANSWERED);
      await tell(late, 'isolated');
      assert.deepEqual(await ask(late, near), ANSWERED);
      assert.deepEqual(await ask(late, near, OTHER_PORT), SILENT);
      assert.deepEqual(await ask(late, far), SILENT);
      assert.deepEqual(await ask(near, late), SILENT);
    });

    test('and is the only one that may be meant may do at once what its policies allow', async () => {
      await publish(awaitedObject('late', node.name, { app: 'isolated' }));
      const late = await start('late');
      const { identity } = await judged(late);
      assert.ok(identity >= 256);
      assert.deepEqual(await ask(late, near), ANSWERED);
      assert.deepEqual(await ask(late, near, OTHER_PORT), SILENT);
      assert.deepEqual(await ask(late, far), SILENT);
      assert.deepEqual(await ask(near, late), SILENT);
      await tell(late, 'isolated');
      assert.deepEqual(await ask(late, near), ANSWERED);
    });

    test('and was taken for another is who it is as soon as that is told', async () => {
      await publish(awaitedObject('late', node.name, { app: 'free' }));
      const late = await start('late');
      assert.deepEqual(await ask(late, far), ANSWERED);
      await publish(awaitedObject('other', node.name, { app: 'other' }));
      await judged(late, init);
      assert.deepEqual(await ask(late, near), SILENT);
      await tell(late, 'other');
      assert.deepEqual(await ask(late, near), ANSWERED);
      assert.deepEqual(await ask(late, far), SILENT);
    });

    test('and that nothing isolates talks at once', async () => {
      await publish(awaitedObject('late', node.name, { app: 'free' }));
      const late = await start('late');
      for (const to of [near, far]) assert.deepEqual(await ask(late, to), ANSWERED, to.name);
      for (const from of [near, far, scene.lab.outside]) assert.deepEqual(await ask(from, late), ANSWERED, from.name);
      assert.deepEqual(await scene.newcomers(node), []);
      await tell(late, 'free');
      assert.deepEqual(await ask(late, far), ANSWERED);
    });

    test('and that nobody awaits may do what policies allow to reserved:init', async () => {
      await publish(OF_INIT);
      const late = await start('late');
      await judged(late, init);
      assert.deepEqual(await ask(late, near, OTHER_PORT), ANSWERED);
      assert.deepEqual(await ask(late, near), SILENT);
      assert.deepEqual(await ask(near, late), SILENT);
    });

    test('stays closed when the agent is killed, and while another starts', async () => {
      const late = await start('late');
      await judged(late, init);
      await scene.killAgent(node);
      assert.deepEqual(await ask(late, near), SILENT);
      const asked = (async () => {
        const outcomes = new Set<Outcome>();
        for (let count = 0; count < 5; count++) for (const outcome of await ask(late, near)) outcomes.add(outcome);
        return outcomes;
      })();
      await scene.startAgent(node);
      await scene.inForce();
      assert.deepEqual(await asked, new Set(['timedOut']));
      await judged(late, init);
      assert.deepEqual(await ask(near, late), SILENT);
      await tell(late, 'isolated');
      published.push(podObject(late));
      assert.deepEqual(await ask(late, near), ANSWERED);
    });

    test('before an agent that no controller tells anything is not closed by it, and who comes later is', async () => {
      await scene.stopController();
      await scene.killAgent(node);
      await node.run(['rm', '-rf', `${node.bpfFolder}/sluice`]);
      const early = await start('early');
      const inForce = () => scene.told.filter((told) => /"kind":"in-force"/.test(JSON.stringify(told))).length;
      const before = inForce();
      await scene.startAgent(node);
      await eventually(() => assert.ok(inForce() > before));
      const late = await start('late');
      await judged(late, init);
      assert.deepEqual(await ask(early, far), ANSWERED);
      assert.deepEqual(await ask(far, early), ANSWERED);
      assert.deepEqual(await ask(late, far), SILENT);
      await scene.startController();
      await scene.inForce();
    });

    test('is told from what is no pod', async () => {
      const other = scene.lab.pod('pod-1-2');
      const addresses = ['172.30.0.1', '172.30.0.2'] as const;
      await node.run(['ip', 'link', 'add', 'docker1', 'type', 'veth', 'peer', 'name', 'eth9', 'netns', other.name]);
      for (const [place, device, address] of [
        [node, 'docker1', addresses[0]],
        [other, 'eth9', addresses[1]],
      ] as const) {
        await place.run(['ip', 'address', 'add', `${address}/24`, 'dev', device]);
        await place.run(['ip', 'link', 'set', device, 'up']);
      }
      await node.prober.serve('TCP', PORT);
      await judged(await start('late'), init);
      assert.equal(await other.prober.probe({ protocol: 'TCP', to: addresses[0], port: PORT, timeoutMs: 700 }), 'answered');
      assert.deepEqual((await scene.newcomers(node)).map(({ device }) => device).includes('docker1'), false);
      assert.equal(await node.run(['tc', 'filter', 'show', 'dev', 'docker1', 'ingress']), '');
      await node.run(['ip', 'link', 'delete', 'docker1']);
    });

    test('does so without anything going wrong', () => {
      const failures = scene.told.filter((told) => /"kind":"(failed|refused)"/.test(JSON.stringify(told)));
      assert.deepEqual(failures, []);
    });
  });
}
