import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../kube/fuzz/random.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, type ManifestObject, secretManifest, serviceManifest } from '../../testkit/manifest-objects.ts';
import { FaultScene } from '../faults/scene.ts';
import { echoDeployment } from '../ingress/echo-deployment.ts';
import { startFreshController, untilAllWritten, untilLikeFresh } from './installed-state.ts';
import { type LabKind, LabObjects } from './lab-objects.ts';

/** As many namespaces; each has the same objects, which are deleted in an order of its own. */
const ORDERS = 16;
const SEED = 4;
const MIN_SENT = 500;
const WITHIN = { withinMs: 120_000 };
const OWNED = 'cilium-ingress-web';

/** What stands in a namespace, or for it; some of it only Sluice makes. */
const DELETED: readonly (readonly [kind: LabKind, name: string])[] = [
  ['Ingress', 'web'],
  ['Service', OWNED],
  ['EndpointSlice', OWNED],
  ['Service', 'echo'],
  ['Deployment', 'echo'],
  ['Secret', 'web'],
  ['IngressClass', ''],
];

describe('deletion in any order', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  const names = Array.from({ length: ORDERS }, (_, index) => `order-${index}`);
  let scene: FaultScene;
  let objects: LabObjects;
  before(async () => {
    scene = cleanUp.use(await FaultScene.start());
    objects = new LabObjects(scene.lab);
  });
  after(() => cleanUp.disposeAsync());

  /** Every second one has its namespace deleted somewhere in the middle, too. */
  const ordersOf = (): readonly (readonly (readonly [LabKind, string])[])[] => {
    const random = new Random(SEED);
    return names.map((name, index) => {
      const all: readonly (readonly [LabKind, string])[] = DELETED.map(([kind, own]) => [kind, own || name]);
      return random.shuffle(index % 2 === 0 ? all : [...all, ['Namespace', name]]);
    });
  };
  const ownedIn = async (namespace: string) => {
    const found = [...(await objects.list('Service', namespace)), ...(await objects.list('EndpointSlice', namespace))];
    return found.filter(({ metadata }) => metadata.name.startsWith('cilium-ingress')).map(({ metadata }) => metadata.name);
  };

  /** Of all replicas and of a controller that starts now. */
  const state = async (): Promise<string> => {
    await using fresh = await startFreshController(scene);
    return await untilLikeFresh(scene, fresh);
  };

  test('leaves nothing behind, and touches no other Ingress', { timeout: 420_000 }, async (t) => {
    await using client = await scene.startClient();
    const baseline = await state();
    const secret = makeCertificate({ names: ['web.test'] });
    await scene.lab.apply(names.flatMap((name) => everythingOf(name, secret)));
    for (const name of names) {
      await eventually(async () => {
        assert.equal((await objects.addresses('Ingress', 'web', name)).length, 1, `Ingress of ${name}`);
        assert.equal((await ownedIn(name)).length, 2);
      }, WITHIN);
    }
    assert.notEqual(await state(), baseline);

    const orders = ordersOf();
    assert.equal(
      new Set(orders.map((order) => JSON.stringify(order.map(([kind, name]) => (name === OWNED ? `owned ${kind}` : kind))))).size,
      ORDERS,
    );
    await client.note('deletion');
    await Promise.all(
      orders.map(async (order, index) => {
        for (const [kind, name] of order) await objects.remove(kind, name, names[index]);
      }),
    );
    // Where the namespace takes nothing with it, it is Sluice that leaves nothing.
    for (const name of names) await eventually(async () => assert.deepEqual(await ownedIn(name), [], name), WITHIN);
    await Promise.all(names.map(async (name) => await objects.remove('Namespace', name)));
    for (const name of names)
      await eventually(async () => assert.equal(await objects.find('Namespace', name), undefined, `${name} does not end`), WITHIN);

    await untilAllWritten(scene);
    assert.equal(await state(), baseline, 'something is left of what was deleted');
    const { sent, failed, failures } = await client.stop();
    t.diagnostic(`${ORDERS} orders, seed ${SEED}; ${sent} requests, ${failed} failed`);
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
  });

  test('makes room for the same again', { timeout: 180_000 }, async () => {
    const [name = ''] = names;
    await scene.lab.apply(everythingOf(name, makeCertificate({ names: ['web.test'] })));
    await eventually(async () => {
      const [address] = await objects.addresses('Ingress', 'web', name);
      assert.ok(address, 'no address yet');
      const command = ['curl', '-sS', '-m', '2', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'host: web.test', `http://${address}/`];
      const { stdout, stderr } = await scene.lab.run(command);
      assert.equal(stdout, '200', stderr);
    }, WITHIN);
  });
});

/** A namespace and an IngressClass of one name, and all that an Ingress needs. */
function everythingOf(name: string, secret: ReturnType<typeof makeCertificate>): readonly object[] {
  const inNamespace = (object: ManifestObject) => ({ ...object, metadata: { ...object.metadata, namespace: name } });
  const named = (apiVersion: string, kind: string) => ({ apiVersion, kind, metadata: { name } });
  return [
    named('v1', 'Namespace'),
    { ...named('networking.k8s.io/v1', 'IngressClass'), spec: { controller: 'cilium.io/ingress-controller' } },
    echoDeployment({ namespace: name, name: 'echo', ingress: 'web', replicas: 1 }),
    inNamespace(serviceManifest('echo', [{ port: 80, targetPort: 3000 }], { selector: { app: 'echo' } })),
    inNamespace(secretManifest('web', secret)),
    ingressManifest('web', {
      namespace: name,
      className: name,
      rules: { 'web.test': 'echo' },
      tls: { web: ['web.test'] },
      annotations: { 'force-https': 'disabled' },
    }),
  ];
}
