import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { slotOfListener } from '../../envoy-config/index.ts';
import { type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { formatPath } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { serviceObject } from '../../testkit/kube-objects.ts';
import { Pipeline } from './pipeline.ts';

const API = 'type.googleapis.com/envoy';
const LISTENER = {
  '@type': `${API}.config.listener.v3.Listener`,
  name: 'front',
  filterChains: [
    {
      filters: [
        {
          name: 'proxy',
          typedConfig: { '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`, statPrefix: 'a', cluster: 'web' },
        },
      ],
    },
  ],
};
const CLUSTER = { '@type': `${API}.config.cluster.v3.Cluster`, name: 'web', type: 'EDS', edsClusterConfig: { serviceName: 'default/web' } };
const WEB = serviceObject({
  clusterIPs: ['10.96.0.1'],
  ports: [
    { name: 'http', port: 80 },
    { name: 'admin', port: 81 },
    { name: 'words', port: 53, protocol: 'UDP' },
  ],
});

function config(name: string, services: readonly object[], created = '2026-01-01T00:00:00Z'): KubeObject {
  const metadata = { name, creationTimestamp: created };
  const spec = { services, backendServices: [{ name: 'web' }], resources: [LISTENER, CLUSTER] };
  const seen = validateObject({ apiVersion: 'cilium.io/v2', kind: 'CiliumEnvoyConfig', metadata, spec });
  assert.ok(seen.result === 'valid', JSON.stringify(seen));
  return seen.object;
}

class Scene {
  readonly pipeline = new Pipeline({
    settings: DEFAULT_SETTINGS,
    ports: PORTS,
    ingressMarks: { client: 0xd00, server: 0xe00 },
    clientMark: 0xd02,
    asOf: new Date(0),
  });

  /** @returns what came, what went, and which slots have which ports */
  take(upserts: readonly KubeObject[], removals: readonly KubeObject[] = []) {
    this.pipeline.apply({ upserts, removals: removals.map(refOf) });
    const { listeners, gone, services, scopes } = this.pipeline.takeListeners();
    return {
      scopes: scopes.map(({ config, scope }) => [config, scope?.resources.map(({ name }) => name), scope?.slots] as const),
      came: listeners.map(({ slot }) => slot),
      gone,
      services: services.map(({ name, service, takers }) => [name, service !== undefined, takers] as const),
    };
  }

  get told(): readonly string[] {
    return this.pipeline
      .diagnostics()
      .filter(({ code }) => code.startsWith('Service') || code === 'OutsideNotLed')
      .map(({ code, object, path, message }) => `${code} ${object?.name} ${formatPath(path)}: ${message}`);
  }
}

const slotOf = (name: string) => slotOfListener(`default/${name}/front`);

describe('ports of Services that listeners take', () => {
  test('are all of TCP where none are named, and follow config and Service', () => {
    const scene = new Scene();
    const slot = slotOf('a');
    const both = [
      [80, slot],
      [81, slot],
    ];
    const key = 'CiliumEnvoyConfig/default/a';
    assert.deepEqual(scene.take([WEB, config('a', [{ name: 'web' }])]), {
      came: [slot],
      gone: [],
      services: [['default/web', true, both]],
      scopes: [[key, ['default/a/web'], [slot]]],
    });
    assert.deepEqual(scene.take([]), { came: [], gone: [], services: [], scopes: [] });
    const smaller = serviceObject({ clusterIPs: ['10.96.0.1'], ports: [{ name: 'http', port: 80 }] });
    assert.deepEqual(scene.take([smaller]), { came: [], gone: [], services: [['default/web', true, [[80, slot]]]], scopes: [] });
    assert.deepEqual(scene.take([], [WEB]).services, [['default/web', false, []]]);
    assert.deepEqual(scene.told, ['ServiceNotLed a spec.services[0]: Service default/web is not there']);
    assert.deepEqual(scene.take([WEB]).services, [['default/web', true, both]]);
    assert.deepEqual(scene.take([], [config('a', [])]), {
      came: [],
      gone: [slot],
      services: [['default/web', true, []]],
      scopes: [[key, undefined, undefined]],
    });
    assert.deepEqual(scene.told, []);
  });

  test('are those that are named, and ones that are not there are told of', () => {
    const scene = new Scene();
    const { services } = scene.take([WEB, config('a', [{ name: 'web', ports: [81, 53, 9] }])]);
    assert.deepEqual(services, [['default/web', true, [[81, slotOf('a')]]]]);
    assert.deepEqual(scene.told, [
      'ServiceNotLed a spec.services[0].ports[1]: Service default/web has no such port of TCP',
      'ServiceNotLed a spec.services[0].ports[2]: Service default/web has no such port of TCP',
    ]);
  });

  test('are asked from outside, unless the Service says more than a listener holds to, which is told', () => {
    const scene = new Scene();
    const ports = [{ port: 80, nodePort: 30_080 }];
    const web = (spec: object) =>
      serviceObject(
        { clusterIPs: ['10.96.0.1'], type: 'LoadBalancer', ports, ...spec },
        {},
        { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      );
    scene.take([web({}), config('a', [{ name: 'web' }]), config('b', [{ name: 'web' }], '2026-01-02T00:00:00Z')]);
    const taken = 'ServiceTaken b spec.services[0]: port 80 of Service default/web is led to a listener of CiliumEnvoyConfig/default/a';
    assert.deepEqual(scene.told, [taken]);
    const left = (what: string, field: string) =>
      `OutsideNotLed a spec.services[0]: what is asked from outside of the nodes${what} of Service default/web is kube-proxy's, as its ${field} says`;
    scene.take([web({ externalTrafficPolicy: 'Local' })]);
    assert.deepEqual(scene.told, [left('', 'externalTrafficPolicy'), taken]);
    scene.take([web({ loadBalancerSourceRanges: ['203.0.113.0/24'] })]);
    assert.deepEqual(scene.told, [left(" by load balancers' addresses", 'loadBalancerSourceRanges'), taken]);
  });

  test('are the oldest config’s, then the first by name, whatever comes first', () => {
    const [older, younger] = [config('z', [{ name: 'web', ports: [80] }]), config('a', [{ name: 'web' }], '2026-01-02T00:00:00Z')];
    for (const objects of [
      [older, younger],
      [younger, older],
    ]) {
      const scene = new Scene();
      const { services } = scene.take([WEB, ...objects]);
      assert.deepEqual(services, [
        [
          'default/web',
          true,
          [
            [80, slotOf('z')],
            [81, slotOf('a')],
          ],
        ],
      ]);
      assert.deepEqual(scene.told, [
        'ServiceTaken a spec.services[0]: port 80 of Service default/web is led to a listener of CiliumEnvoyConfig/default/z',
      ]);
      scene.take([], [older]);
      assert.deepEqual(scene.told, []);
    }
    const scene = new Scene();
    const { services } = scene.take([WEB, config('b', [{ name: 'web', ports: [80] }]), config('a', [{ name: 'web', ports: [80] }])]);
    assert.deepEqual(services, [['default/web', true, [[80, slotOf('a')]]]]);
  });

  test('keep what Envoy has of a config that is gone a little longer', () => {
    const scene = new Scene();
    scene.take([WEB, config('a', [{ name: 'web' }])]);
    const { removals } = scene.pipeline.apply({ upserts: [], removals: [refOf(config('a', []))] });
    assert.deepEqual(removals.map(({ name, isLate }) => [name, isLate]).sort(), [
      ['default/a/web', true],
      ['default/web', true],
    ]);
  });
});
