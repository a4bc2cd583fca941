import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, serviceManifest } from '../../testkit/manifest-objects.ts';
import type { Client } from '../faults/client.ts';
import { FaultScene } from '../faults/scene.ts';
import { type LabObject, LabObjects } from './lab-objects.ts';

const DEFAULT_CLASS = 'ingressclass.kubernetes.io/is-default-class';
const MIN_SENT = 1_000;
const WITHIN = { withinMs: 60_000 };
const NAME_OF_SHARED = 'cilium-ingress';

describe('what Sluice does to the objects of a cluster', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  let scene: FaultScene;
  let objects: LabObjects;
  /** Asks for the Ingress `web` all the time, which no test touches. */
  let client: Client;
  before(async () => {
    scene = cleanUp.use(await FaultScene.start());
    objects = new LabObjects(scene.lab);
    await scene.lab.apply([ingressClass('other', 'example.com/other')]);
    client = cleanUp.use(await scene.startClient());
  });
  after(() => cleanUp.disposeAsync());

  const applyIngress = async (name: string, options: { className?: string | null; mode?: string; service?: string } = {}) => {
    const { className = 'cilium', mode, service = 'web' } = options;
    const annotations: Record<string, string> = mode === undefined ? {} : { 'loadbalancer-mode': mode };
    await scene.lab.apply([ingressManifest(name, { className, annotations, rules: { [`${name}.test`]: service } })]);
  };
  /** The Service and the EndpointSlice of an Ingress's own. */
  const ownedBy = async (name: string): Promise<readonly [LabObject | undefined, LabObject | undefined]> => [
    await objects.find('Service', `cilium-ingress-${name}`),
    await objects.find('EndpointSlice', `cilium-ingress-${name}`),
  ];
  const untilNothingIsOf = async (name: string) => {
    await eventually(async () => {
      assert.deepEqual(await ownedBy(name), [undefined, undefined]);
      assert.deepEqual(await objects.addresses('Ingress', name), []);
    }, WITHIN);
  };
  const untilTold = async (reason: string, ingress: string) => {
    const { metadata } = await objects.get('Ingress', ingress);
    await eventually(async () => {
      const told = (await objects.list('Event')).filter(({ regarding }) => regarding?.uid === metadata.uid).map((event) => event.reason);
      assert.ok(told.includes(reason), `of Ingress ${ingress} is only told: ${told.join(', ')}`);
    }, WITHIN);
  };

  test('a dedicated Ingress tells the address of its own Service, which serves it and nobody else', async () => {
    const address = await scene.addIngress('own', 'web', scene.backends);
    assert.deepEqual(await objects.addresses('Service', 'cilium-ingress-own'), [address]);
    assert.notEqual(address, await scene.addressOf('web'));
    const command = ['curl', '-sS', '-m', '2', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'host: web.test', `http://${address}/`];
    assert.equal((await scene.lab.run(command)).stdout, '404');
  });

  test('shared Ingresses tell the address of the one Service, which stays after them', async () => {
    for (const name of ['one', 'two']) await applyIngress(name, { mode: 'shared' });
    const addresses = [await scene.untilServed('one', scene.backends), await scene.untilServed('two', scene.backends)];
    const [shared] = await objects.addresses('Service', NAME_OF_SHARED, 'sluice-system');
    assert.deepEqual(addresses, [shared, shared]);
    assert.deepEqual(await ownedBy('one'), [undefined, undefined]);
    for (const name of ['one', 'two']) await objects.remove('Ingress', name);
    await applyIngress('three', { mode: 'shared' });
    assert.equal(await scene.untilServed('three', scene.backends), shared);
  });

  test('an Ingress that changes its mode changes its address, and gives up what it had', async () => {
    await applyIngress('own', { mode: 'shared' });
    const shared = await objects.addresses('Service', NAME_OF_SHARED, 'sluice-system');
    await eventually(async () => {
      assert.deepEqual(await ownedBy('own'), [undefined, undefined]);
      assert.deepEqual(await objects.addresses('Ingress', 'own'), shared);
    }, WITHIN);
    await scene.untilServed('own', scene.backends);
    await applyIngress('own', { mode: 'dedicated' });
    await eventually(async () => {
      const own = await objects.addresses('Service', 'cilium-ingress-own');
      assert.equal(own.length, 1);
      assert.deepEqual(await objects.addresses('Ingress', 'own'), own);
    }, WITHIN);
    await scene.untilServed('own', scene.backends);
  });

  test('what is made for an Ingress is owned by it, and labelled', async () => {
    const { metadata } = await objects.get('Ingress', 'own');
    const owner = { kind: 'Ingress', name: 'own', uid: metadata.uid, controller: true };
    const [service, slice] = await ownedBy('own');
    assert.deepEqual([service?.metadata.ownerReferences, slice?.metadata.ownerReferences], [[owner], [owner]]);
    assert.equal(service?.metadata.labels['app.kubernetes.io/managed-by'], 'sluice');
    assert.equal(slice?.metadata.labels['kubernetes.io/service-name'], 'cilium-ingress-own');
    assert.deepEqual(
      nodesIn(slice),
      scene.lab.nodes.map(({ address }) => address),
    );
  });

  test('what somebody changes of it is set right', async () => {
    await objects.merge('Service', 'cilium-ingress-own', {
      spec: { type: 'ClusterIP' },
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    await objects.merge('EndpointSlice', 'cilium-ingress-own', { endpoints: [{ addresses: ['192.0.2.1'] }] });
    await eventually(async () => {
      const [service, slice] = await ownedBy('own');
      assert.equal(service?.spec?.type, 'LoadBalancer');
      assert.equal(service.metadata.labels['app.kubernetes.io/managed-by'], 'sluice');
      assert.deepEqual(
        nodesIn(slice),
        scene.lab.nodes.map(({ address }) => address),
      );
    }, WITHIN);
    await scene.untilServed('own', scene.backends);
  });

  test('what somebody deletes of it comes back', async () => {
    const before = await ownedBy('own');
    for (const kind of ['EndpointSlice', 'Service'] as const) await objects.remove(kind, 'cilium-ingress-own');
    await eventually(async () => {
      const now = await ownedBy('own');
      for (const [index, object] of now.entries()) assert.ok(object && object.metadata.uid !== before[index]?.metadata.uid);
    }, WITHIN);
    await scene.untilServed('own', scene.backends);
  });

  test("somebody else's Service of that name is left alone and told, and makes room when it goes", async () => {
    await scene.lab.apply([serviceManifest('cilium-ingress-taken', [{ port: 5432 }])]);
    const before = await objects.get('Service', 'cilium-ingress-taken');
    await applyIngress('taken');
    await untilTold('ServiceNameTaken', 'taken');
    assert.deepEqual(await objects.get('Service', 'cilium-ingress-taken'), before);
    assert.equal(await objects.find('EndpointSlice', 'cilium-ingress-taken'), undefined);
    assert.deepEqual(await objects.addresses('Ingress', 'taken'), []);
    await objects.remove('Service', 'cilium-ingress-taken');
    await scene.untilServed('taken', scene.backends);
  });

  test('what Cilium made is taken over with its address', async () => {
    await applyIngress('theirs', { className: 'other' });
    const { metadata } = await objects.get('Ingress', 'theirs');
    const owner = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'theirs', uid: metadata.uid, controller: true };
    const ports = [80, 443].map((port) => ({ name: port === 80 ? 'http' : 'https', port }));
    const made = serviceManifest('cilium-ingress-theirs', ports, { type: 'LoadBalancer' });
    await scene.lab.apply([{ ...made, metadata: { ...made.metadata, labels: { 'cilium.io/ingress': 'true' }, ownerReferences: [owner] } }]);
    const before = await eventually(async () => {
      const service = await objects.get('Service', 'cilium-ingress-theirs');
      assert.equal(service.status?.loadBalancer.ingress.length, 1);
      return service;
    }, WITHIN);
    await applyIngress('theirs');
    const address = await scene.untilServed('theirs', scene.backends);
    const taken = await objects.get('Service', 'cilium-ingress-theirs');
    assert.equal(taken.metadata.uid, before.metadata.uid);
    assert.deepEqual(taken.status?.loadBalancer, before.status?.loadBalancer);
    assert.equal(before.status?.loadBalancer.ingress[0]?.ip, address);
  });

  test('an Ingress of another class is left alone, with the status that it has', async () => {
    await applyIngress('foreign', { className: 'other' });
    await objects.merge('Ingress', 'foreign', { status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } }, 'status');
    const before = await objects.get('Ingress', 'foreign');
    await scene.addIngress('later', 'web', scene.backends);
    assert.deepEqual(await objects.get('Ingress', 'foreign'), before);
    assert.deepEqual(await ownedBy('foreign'), [undefined, undefined]);
  });

  test('an Ingress that is given to another controller loses all, and has it again when it is given back', async () => {
    await applyIngress('own', { className: 'other' });
    await untilNothingIsOf('own');
    await applyIngress('own');
    await scene.untilServed('own', scene.backends);
  });

  test('an Ingress without a class is ours as long as the default class is', async () => {
    await applyIngress('plain', { className: null });
    await scene.addIngress('after-plain', 'web', scene.backends);
    await untilNothingIsOf('plain');
    await objects.merge('IngressClass', 'cilium', { metadata: { annotations: { [DEFAULT_CLASS]: 'true' } } });
    await scene.untilServed('plain', scene.backends);
    await objects.merge('IngressClass', 'cilium', { metadata: { annotations: { [DEFAULT_CLASS]: null } } });
    await untilNothingIsOf('plain');
  });

  test('what a user must know is told by Events on the Ingress', async () => {
    await applyIngress('lacking', { service: 'nowhere' });
    await untilTold('ServiceNotFound', 'lacking');
  });

  test('conditions say which generation they are about', async () => {
    for (const requestTimeout of ['30s', '40s']) {
      await scene.lab.apply([
        { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata: { name: 'default' }, spec: { ingress: { requestTimeout } } },
      ]);
      await eventually(async () => {
        const { metadata, status } = await objects.get('SluiceSettings', 'default');
        const expected = ['Accepted', 'Applied'].map((type) => ({ type, status: 'True', observedGeneration: metadata.generation }));
        assert.deepEqual(
          status?.conditions.toSorted((a, b) => a.type.localeCompare(b.type)),
          expected,
        );
      }, WITHIN);
    }
    assert.equal((await objects.get('SluiceSettings', 'default')).metadata.generation, 2);
    await objects.remove('SluiceSettings', 'default');
  });

  test('a pod whose labels change is no backend any more, until they change back', async () => {
    const [stays = '', leaves = ''] = scene.backends;
    await objects.merge('Pod', leaves, { metadata: { labels: { app: 'away' } } });
    await scene.untilServed('own', [stays]);
    await objects.merge('Pod', leaves, { metadata: { labels: { app: 'web' } } });
    await scene.untilServed('own', scene.backends);
  });

  test('and none of it failed a request of another Ingress', async (t) => {
    const { sent, failed, failures } = await client.stop();
    t.diagnostic(`${sent} requests, ${failed} failed`);
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
  });

  test('nodes serve as their labels say', async () => {
    const [first, second] = scene.lab.nodes;
    assert.ok(first && second);
    const select = { ingress: { nodes: { matchLabels: { edge: 'yes' } } } };
    const serving = async (...addresses: readonly string[]) =>
      await eventually(async () => assert.deepEqual(nodesIn(await objects.find('EndpointSlice', 'cilium-ingress-own')), addresses), WITHIN);
    await objects.merge('Node', first.name, { metadata: { labels: { edge: 'yes' } } });
    await scene.lab.apply([{ apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata: { name: 'default' }, spec: select }]);
    await serving(first.address);
    await scene.untilServed('own', scene.backends);
    await objects.merge('Node', second.name, { metadata: { labels: { edge: 'yes' } } });
    await objects.merge('Node', first.name, { metadata: { labels: { edge: null } } });
    await serving(second.address);
    await scene.untilServed('own', scene.backends);
    await objects.remove('SluiceSettings', 'default');
    await serving(first.address, second.address);
    await scene.untilServed('own', scene.backends);
  });
});

function ingressClass(name: string, controller: string): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name }, spec: { controller } };
}

/** The addresses of nodes that a slice names, sorted. */
function nodesIn(slice: LabObject | undefined): readonly string[] {
  return (slice?.endpoints ?? []).flatMap(({ addresses }) => addresses).sort();
}
