import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterPlacement } from '../ingress-controller/index.ts';
import type { KubeObject, ObjectBatch, ObjectSource } from '../kube/index.ts';
import { DEFAULT_SETTINGS, type Settings } from '../settings/index.ts';
import { eventually } from '../testkit/eventually.ts';
import { PORTS } from '../testkit/ingress-world.ts';
import { endpointSliceObject, envoyConfigObject, ingressObject, secretObject, serviceObject } from '../testkit/kube-objects.ts';
import { makeCertificate } from '../testkit/make-certificate.ts';
import { modelResource } from '../testkit/xds/model-resources.ts';
import { SnapshotCache } from '../xds-server/serve/index.ts';
import { CLUSTER, LISTENER, ROUTES, SECRET } from '../xds-server/translate/types.ts';
import { type ChangedEvent, Controller } from './controller.ts';
import { Pipeline, type PipelineOptions } from './pipeline/pipeline.ts';

/** Yields what it is given, and knows of no Secret until `knows` says so. */
class ScriptedSource implements ObjectSource {
  readonly needed = new Set<string>();
  knows = false;
  knowsNodes = false;
  taken = 0;
  #batches: ObjectBatch[] = [];
  #wake: (() => void) | undefined;

  give(...upserts: readonly KubeObject[]): void {
    this.#batches.push({ upserts, removals: [], diagnostics: [], timing: { seenAt: performance.now(), readMs: 0 } });
    this.#wake?.();
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    const aborted = new Promise<void>((done) => signal.addEventListener('abort', () => done()));
    while (!signal.aborted) {
      for (const batch of this.#batches.splice(0)) {
        yield batch;
        this.taken++;
      }
      const woken = new Promise<void>((done) => {
        this.#wake = done;
      });
      if (this.#batches.length === 0) await Promise.race([woken, aborted]);
    }
  }

  locate(): undefined {
    return undefined;
  }

  want(needed: readonly string[], dropped: readonly string[]): boolean {
    for (const name of needed) this.needed.add(name);
    for (const name of dropped) this.needed.delete(name);
    return this.knows || this.needed.size === 0;
  }

  wantNodes(wanted: boolean): boolean {
    return wanted && this.knowsNodes;
  }
}

class Scene implements AsyncDisposable {
  readonly source = new ScriptedSource();
  readonly cache = new SnapshotCache();
  readonly changes: ChangedEvent[] = [];
  readonly controller: Controller;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: Partial<PipelineOptions> = {}) {
    const pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date(), ...options });
    this.controller = new Controller({
      source: this.source,
      pipeline,
      cache: this.cache,
      onEvent: (event) => void (event.kind === 'changed' && this.changes.push(event)),
    });
    this.#running = this.controller.run(this.#ended.signal);
  }

  get isServing(): boolean {
    return this.cache.ofType(LISTENER).has('https');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }
}

const { certificate, privateKey } = makeCertificate({ names: ['a.test'] });
const SECRET_OBJECT = secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }, 'kubernetes.io/tls', { name: 'a' });

function ingress(name: string, tls: readonly object[] = []): KubeObject {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: `${name}.test`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  return ingressObject({ ingressClassName: 'cilium', rules, tls }, { name });
}

const WEB = [
  serviceObject({ ports: [{ port: 80 }] }),
  endpointSliceObject(
    { endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
    { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  ),
];
const WITH_TLS = ingress('a', [{ hosts: ['a.test'], secretName: 'a' }]);

describe('a controller whose source brings Secrets when they are needed', () => {
  test('serves nothing before the Secrets of the first read were looked for', async () => {
    await using scene = new Scene();
    scene.source.give(...WEB, WITH_TLS);
    await eventually(() => assert.deepEqual([...scene.source.needed], ['default/a']));
    scene.source.give(ingress('b'));
    await eventually(() => assert.equal(scene.source.taken, 2));
    assert.equal(scene.changes.length, 0);
    assert.equal(scene.cache.isReady, false);
    scene.source.knows = true;
    scene.source.give(SECRET_OBJECT);
    await eventually(() => assert.equal(scene.changes.length, 3));
    assert.equal(scene.isServing, true);
    assert.deepEqual([...scene.cache.ofType(SECRET).keys()], ['default/a']);
    assert.deepEqual(new Set(scene.changes.map(({ revision }) => revision)), new Set([1]));
  });

  test('a later change waits for its Secret, and takes the others along', async () => {
    await using scene = new Scene();
    scene.source.give(...WEB);
    await eventually(() => assert.equal(scene.changes.length, 1));
    scene.source.give(WITH_TLS);
    await eventually(() => assert.equal(scene.source.needed.size, 1));
    assert.deepEqual([scene.isServing, scene.controller.isUpToDate], [false, false]);
    scene.source.knows = true;
    scene.source.give(SECRET_OBJECT);
    await eventually(() => assert.equal(scene.isServing, true));
    assert.equal(scene.controller.isUpToDate, true);
    assert.equal(scene.changes.length, 3);
    assert.equal(scene.cache.revision, 2);
  });

  test('where nobody finds out, a change does not wait for ever', async () => {
    await using scene = new Scene();
    scene.source.give(...WEB);
    await eventually(() => assert.equal(scene.changes.length, 1));
    scene.source.give(WITH_TLS, ingress('b'));
    await eventually(() => assert.equal(scene.changes.length, 2));
    assert.equal(scene.cache.revision, 2);
    assert.equal(scene.isServing, false);
  });
});

describe('a controller that is to serve some nodes only', () => {
  test('serves nothing before it knows their labels', async () => {
    const settings: Settings = {
      ...DEFAULT_SETTINGS,
      ingress: { ...DEFAULT_SETTINGS.ingress, nodes: { matchLabels: { edge: '' } } },
    };
    await using scene = new Scene({ settings, placement: (ingress) => clusterPlacement(ingress, 'sluice-system') });
    scene.source.give(...WEB);
    await eventually(() => assert.equal(scene.source.taken, 1));
    assert.equal(scene.cache.isReady, false);
    scene.source.knowsNodes = true;
    scene.source.give(ingress('b'));
    await eventually(() => assert.equal(scene.changes.length, 2));
    assert.equal(scene.cache.revision, 1);
  });
});

describe('what clients refuse', () => {
  const type = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
  const config = envoyConfigObject({ resources: [{ '@type': type, name: 'routes' }] }, { name: 'config' });

  for (const [whose, name, source] of [
    ['a config', 'default/config/routes', 'CiliumEnvoyConfig spec.resources.0'],
    ['Ingresses', 'listener-insecure', 'Ingress '],
  ] as const) {
    test(`of the routes of ${whose} is told once, of where they come from`, async () => {
      await using scene = new Scene();
      scene.source.give(...WEB, ingress('a'), config);
      await eventually(() => assert.equal(scene.changes.length, 1));
      const { controller, cache } = scene;
      const told = () => controller.diagnostics().filter(({ code }) => code === 'RejectedByEnvoy');
      const version = cache.get({ typeUrl: ROUTES, name })?.version ?? '';
      const outcome = { nodeId: 'node', typeUrl: ROUTES, name, version, removed: false };
      controller.onOutcome({ ...outcome, outcome: 'nack', message: 'no such thing' });
      assert.deepEqual(
        told().map(({ object, path }) => `${object?.kind} ${path.join('.')}`),
        [source],
      );
      assert.match(told()[0]?.message ?? '', /no such thing/);
    });
  }

  test('is told no more of a config once it is accepted, or gone', async () => {
    await using scene = new Scene();
    scene.source.give(config);
    await eventually(() => assert.equal(scene.changes.length, 1));
    const { controller, cache } = scene;
    const name = 'default/config/routes';
    const version = cache.get({ typeUrl: ROUTES, name })?.version ?? '';
    const outcome = { nodeId: 'node', typeUrl: ROUTES, name, version, removed: false };
    for (const [said, count] of [
      ['nack', 1],
      ['ack', 0],
      ['nack', 1],
    ] as const) {
      controller.onOutcome({ ...outcome, outcome: said, message: '' });
      assert.equal(controller.diagnostics().length, count);
    }
    cache.apply({ upserts: [], removals: [{ typeUrl: ROUTES, name }] });
    assert.equal(controller.diagnostics().length, 0);
  });
});

test('what is removed late stays while something needs it, and goes then', async (t) => {
  await using scene = new Scene();
  scene.source.give();
  await eventually(() => assert.ok(scene.cache.isReady));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const cluster = modelResource(CLUSTER, 'default/shop/web', '1');
  const own = modelResource(LISTENER, 'sluice.slot/service/a', '1', [{ typeUrl: CLUSTER, name: cluster.name }]);
  const { controller, cache } = scene;
  controller.publish({ upserts: [cluster, own], removals: [] });
  controller.publish({ upserts: [], removals: [{ typeUrl: CLUSTER, name: cluster.name, isLate: true }] });
  assert.ok(cache.get(cluster));
  t.mock.timers.tick(15_000);
  assert.ok(cache.get(cluster), 'a node has a listener for it yet');
  controller.publish({ upserts: [], removals: [{ typeUrl: LISTENER, name: own.name }] });
  assert.ok(cache.get(cluster));
  t.mock.timers.tick(15_000);
  assert.equal(cache.get(cluster), undefined);
});
