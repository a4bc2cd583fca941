import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { slotOfListener } from '../../envoy-config/index.ts';
import { type KubeObject, refOf, type Service, validateObject } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, envoyConfigObject, type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import { Pipeline } from './pipeline.ts';

const BALANCED = { 'service.cilium.io/lb-l7': 'enabled' };

function service(annotations: MetadataInput['annotations'] = BALANCED, ports: readonly number[] = [80], status?: object): Service {
  const spec = { clusterIPs: ['10.96.0.1'], ports: ports.map((port) => ({ name: String(port), port })) };
  return serviceObject(spec, { creationTimestamp: '2020-01-01T00:00:00Z', annotations }, status);
}

function config(): KubeObject {
  const type = 'type.googleapis.com/envoy';
  const proxy = { '@type': `${type}.extensions.filters.network.tcp_proxy.v3.TcpProxy`, statPrefix: 'a', cluster: 'default/web' };
  const filterChains = [{ filters: [{ name: 'proxy', typedConfig: proxy }] }];
  const resources = [
    { '@type': `${type}.config.listener.v3.Listener`, name: 'front', filterChains },
    { '@type': `${type}.config.cluster.v3.Cluster`, name: 'default/web', type: 'EDS' },
  ];
  return envoyConfigObject({ services: [{ name: 'web' }], resources }, { creationTimestamp: '2025-01-01T00:00:00Z' });
}

function nodeIn(labels: Readonly<Record<string, string>>): KubeObject {
  const seen = validateObject({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels } });
  assert.equal(seen.result, 'valid');
  return seen.object;
}

class Scene {
  readonly pipeline: Pipeline;

  constructor(ownNode?: string) {
    this.pipeline = new Pipeline({
      settings: DEFAULT_SETTINGS,
      ports: PORTS,
      ingressMarks: { client: 0xd00, server: 0xe00 },
      clientMark: 0xd02,
      asOf: new Date(0),
      ...(ownNode !== undefined && { ownNode }),
    });
  }

  /** @returns the names of what came and went, also of listeners, and who has which port */
  take(upserts: readonly KubeObject[], removals: readonly KubeObject[] = []) {
    const change = this.pipeline.apply({ upserts, removals: removals.map(refOf) });
    const { listeners, gone, services } = this.pipeline.takeListeners();
    return {
      came: [...change.upserts.map(({ name }) => name), ...listeners.map(({ listener }) => listener.name)].sort(),
      went: [...change.removals.map(({ name, isLate }) => `${name}${isLate ? ' late' : ''}`), ...gone].sort(),
      ports: services.flatMap(({ takers }) => takers),
    };
  }

  get told(): readonly string[] {
    return this.pipeline.diagnostics().map(({ code, object }) => `${object?.kind} ${code}`);
  }
}

const own = (port: number) => `default/lb-l7:web/${port}`;
const slotOf = (port: number) => slotOfListener(own(port));
const NOTHING = { came: [], went: [], ports: [] };

describe('Services whose requests are balanced', () => {
  test('have a listener, a cluster and endpoints for each port, until they say otherwise', () => {
    const scene = new Scene();
    scene.take([service({})]);
    assert.deepEqual(scene.take([service()]), {
      came: [own(80), own(80), 'for-nodes:default/web:80'],
      went: [],
      ports: [[80, slotOf(80)]],
    });
    const both = scene.take([service(BALANCED, [80, 81])]);
    assert.deepEqual(both.came, [own(81), own(81), 'for-nodes:default/web:81']);
    assert.deepEqual(both.ports, [
      [80, slotOf(80)],
      [81, slotOf(81)],
    ]);
    const { went, ports } = scene.take([service({}, [80, 81])]);
    assert.deepEqual(ports, []);
    const late = [80, 81].flatMap((port) => [`${own(port)} late`, `for-nodes:default/web:${port} late`]);
    assert.deepEqual(went, [...late, slotOf(80), slotOf(81)].sort());
    assert.deepEqual(scene.told, []);
  });

  test('are read again only where they say something else', () => {
    const scene = new Scene();
    scene.take([service()]);
    assert.deepEqual(scene.take([service(BALANCED, [80], { loadBalancer: { ingress: [{ ip: '10.0.0.9' }] } })]), NOTHING);
    assert.deepEqual(scene.take([serviceObject({ ports: [{ port: 80 }] }, { name: 'other' })]), NOTHING);
    const random = scene.take([service({ ...BALANCED, 'service.cilium.io/lb-l7-algorithm': 'random' })]);
    assert.deepEqual(random, { ...NOTHING, came: [own(80)] });
    assert.deepEqual(scene.take([service({ ...BALANCED, 'service.cilium.io/lb-l7-algorithm': 'other' })]).came, [own(80)]);
    assert.deepEqual(scene.told, ['Service InvalidBalancing']);
  });

  test('leave their ports to configs, which may be younger, and have them back', () => {
    const scene = new Scene();
    scene.take([service()]);
    const slot = slotOfListener('default/web/front');
    assert.deepEqual(scene.take([config()]).ports, [[80, slot]]);
    assert.deepEqual(scene.told, ['Service ServiceTaken']);
    assert.deepEqual(scene.take([], [config()]).ports, [[80, slotOf(80)]]);
    assert.deepEqual(scene.told, []);
  });

  test('say where what is made of them comes from', () => {
    const scene = new Scene();
    const names = [own(80), 'for-nodes:default/web:80'];
    scene.take([service()]);
    const resources = scene.pipeline.resources().filter(({ name }) => names.includes(name));
    assert.equal(resources.length, names.length);
    for (const resource of resources) {
      const kinds = scene.pipeline.sourcesOf(resource).map(({ object: { kind, name }, path }) => [kind, name, path.at(-1)]);
      assert.deepEqual(kinds, [['Service', 'web', 'service.cilium.io/lb-l7']], resource.name);
    }
  });

  test('have the endpoints that are for clients of the only node, by its zone as it is', () => {
    const scene = new Scene('n1');
    const inZone = (zone: string) => nodeIn({ 'topology.kubernetes.io/zone': zone });
    const hinted = (address: string, zone: string) => ({ addresses: [address], hints: { forZones: [{ name: zone }] } });
    const slice = (...endpoints: readonly object[]) =>
      endpointSliceObject({ ports: [{ name: '80', port: 8080 }], endpoints }, { labels: { 'kubernetes.io/service-name': 'web' } });
    const endpoints = () => {
      const found = scene.pipeline.resources().find(({ name }) => name === 'for-nodes:default/web:80');
      return ['10.0.0.1', '10.0.0.2'].filter((address) => Buffer.from(found?.body ?? []).includes(address));
    };
    scene.take([service(), slice(hinted('10.0.0.1', 'north'), hinted('10.0.0.2', 'south'))]);
    assert.deepEqual(endpoints(), ['10.0.0.1', '10.0.0.2']);
    assert.deepEqual(scene.take([inZone('south')]).came, ['for-nodes:default/web:80']);
    assert.deepEqual(endpoints(), ['10.0.0.2']);
    scene.take([inZone('north')]);
    assert.deepEqual(endpoints(), ['10.0.0.1']);
    assert.deepEqual(scene.take([slice(hinted('10.0.0.1', 'north'), hinted('10.0.0.3', 'south'))]), NOTHING);
  });
});
