import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterPlacement } from '../../ingress-controller/index.ts';
import { type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { formatPath } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, envoyConfigObject, type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';

const API = 'type.googleapis.com/envoy';
const NAMESPACE = 'sluice-system';
const WEB = serviceObject({ clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] });
const ADDRESS = { socketAddress: { address: '127.0.0.1', portValue: 8080 } };

function listener(name: string, more: object = {}) {
  const manager = {
    '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: name,
    rds: { routeConfigName: 'routes' },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: { '@type': `${API}.extensions.filters.http.router.v3.Router` } }],
  };
  const filterChains = [{ filters: [{ name: 'http', typedConfig: manager }] }];
  return { '@type': `${API}.config.listener.v3.Listener`, name, filterChains, ...more };
}

function routes(cluster = 'web') {
  const virtualHosts = [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }];
  return { '@type': `${API}.config.route.v3.RouteConfiguration`, name: 'routes', virtualHosts };
}

function cluster(name = 'web') {
  return { '@type': `${API}.config.cluster.v3.Cluster`, name, type: 'EDS', edsClusterConfig: { serviceName: 'default/web' } };
}

/** That leads the Service `web` to the listener `front`, unless it says otherwise. */
function config(resources: readonly object[], metadata: MetadataInput = {}, services: readonly object[] = [{ name: 'web' }]) {
  const backendServices = [{ name: 'web' }];
  return envoyConfigObject({ services, backendServices, resources }, { name: 'shop', uid: 'u', generation: 1, ...metadata });
}

const FRONT = [listener('front'), routes(), cluster()];
const KEY = 'CiliumEnvoyConfig/default/shop';

class Scene {
  readonly pipeline: Pipeline;

  constructor(placement: PipelineOptions['placement'] = (ingress) => clusterPlacement(ingress, NAMESPACE)) {
    const allow = ['envoy.config.listener.v3.Listener.address'];
    const settings = { ...DEFAULT_SETTINGS, envoyConfig: { ...DEFAULT_SETTINGS.envoyConfig, allow } };
    const marks = { ingressMarks: { client: 0xd00, server: 0xe00 }, clientMark: 0xd02 };
    this.pipeline = new Pipeline({ settings, ports: PORTS, placement, ...marks, asOf: new Date(0) });
  }

  take(...upserts: readonly KubeObject[]) {
    return this.change({ upserts, removals: [] });
  }

  /** What has changed, in short. */
  change(batch: { readonly upserts: readonly KubeObject[]; readonly removals: readonly ReturnType<typeof refOf>[] }) {
    this.pipeline.apply(batch);
    return this.pipeline.takeConfigStates().map(([key, state]) => {
      if (!state) return [key, 'is gone'];
      const { generation, good, wanted, diagnostics } = state;
      const names = wanted.map(({ typeUrl, qualifiedName }) => `${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)} ${qualifiedName}`);
      return [key, generation, good?.generation, names, diagnostics.map(({ code }) => code)];
    });
  }
}

const ROUTES_AND_CLUSTER = ['Cluster default/shop/web', 'RouteConfiguration default/shop/routes'];

describe('the state of a config', () => {
  test('has what nodes are to have: listeners with all that they lead to, and nothing else', () => {
    const scene = new Scene();
    const addressed = [listener('front', { address: ADDRESS }), routes(), cluster(), cluster('unused')];
    const own = [...ROUTES_AND_CLUSTER.slice(0, 1), 'Listener default/shop/front', ...ROUTES_AND_CLUSTER.slice(1)];
    assert.deepEqual(scene.take(WEB, config(addressed, {}, [])), [[KEY, 1, 1, own, []]]);
  });

  test('has listeners that Services are led to, while they are', () => {
    const scene = new Scene();
    const led = [...ROUTES_AND_CLUSTER, 'Slot default/shop/front'];
    assert.deepEqual(scene.take(WEB, config(FRONT)), [[KEY, 1, 1, led, []]]);
    const gone = scene.change({ upserts: [], removals: [refOf(WEB)] });
    assert.deepEqual(gone, [[KEY, 1, 1, [], ['BackendServiceNotFound', 'ServiceNotLed']]]);
    assert.deepEqual(scene.take(WEB), [[KEY, 1, 1, led, []]]);
  });

  test('changes with the version of what is wanted, and is not told of other changes', () => {
    const scene = new Scene();
    scene.take(WEB, config(FRONT));
    const slots = () => {
      const [[, state] = []] = scene.pipeline.takeConfigStates();
      return state?.wanted.map(({ version, source }) => [version, formatPath(source.path)]) ?? [];
    };
    const at = (generation: number, ...resources: readonly object[]) => config(resources, { generation });
    scene.pipeline.apply({ upserts: [at(2, listener('front', { statPrefix: 'x' }), routes(), cluster())], removals: [] });
    const first = slots();
    assert.deepEqual(
      first.map(([, path]) => path),
      ['spec.resources[2]', 'spec.resources[1]', 'spec.resources[0]'],
    );
    scene.pipeline.apply({ upserts: [at(3, listener('front', { statPrefix: 'y' }), routes(), cluster())], removals: [] });
    const second = slots();
    assert.deepEqual(second.slice(0, 2), first.slice(0, 2));
    assert.notEqual(second[2]?.[0], first[2]?.[0]);
    assert.deepEqual(scene.take(serviceObject({ clusterIPs: ['10.96.0.2'], ports: [{ port: 80 }] }, { name: 'other' })), []);
  });

  test('says what is in force where it is wrong, and nothing where what is around it is', () => {
    const scene = new Scene();
    scene.take(WEB, config(FRONT));
    const led = [...ROUTES_AND_CLUSTER, 'Slot default/shop/front'];
    const wrong = config([listener('front'), routes(), { ...cluster(), lbPolicy: 'SOMEHOW' }], { generation: 2 });
    assert.deepEqual(scene.take(wrong), [[KEY, 2, 1, led, ['InvalidEnvoyConfig', 'LastGoodEnvoyConfig']]]);
    const taken = [listener('front'), routes('default/web'), { ...cluster(), name: 'default/web' }];
    const metadata = { name: 'old', creationTimestamp: '2020-01-01T00:00:00Z' };
    scene.take(config([{ ...cluster(), name: 'default/web', lbPolicy: 'RANDOM' }], metadata, []));
    assert.deepEqual(
      scene.take(config(taken, { generation: 3, creationTimestamp: '2026-01-01T00:00:00Z' })).filter(([key]) => key === KEY),
      [[KEY, 3, undefined, [], ['NameTaken']]],
    );
  });

  test('is gone with the config', () => {
    const scene = new Scene();
    scene.take(WEB, config(FRONT));
    assert.deepEqual(scene.change({ upserts: [], removals: [refOf(config(FRONT))] }), [[KEY, 'is gone']]);
    assert.deepEqual(scene.take(), []);
  });

  test('is nothing where this runs by itself', () => {
    assert.deepEqual(new Scene({ kind: 'standalone' }).take(WEB, config(FRONT)), []);
  });
});

test('nodes are those that have an agent, ready or not', () => {
  const { pipeline } = new Scene();
  const slice = (nodes: readonly string[], namespace = NAMESPACE, service = 'sluice-nodes') =>
    endpointSliceObject(
      { endpoints: nodes.map((nodeName, index) => ({ addresses: [`192.0.2.${index + 1}`], nodeName, conditions: { ready: index > 0 } })) },
      { name: `agents-${namespace}-${service}`, namespace, labels: { 'kubernetes.io/service-name': service } },
    );
  pipeline.apply({ upserts: [slice(['b', 'a']), slice(['c'], 'default'), slice(['d'], NAMESPACE, 'web')], removals: [] });
  assert.deepEqual(pipeline.agentNodes(), [
    { name: 'a', labels: {} },
    { name: 'b', labels: {} },
  ]);
  const node = validateObject({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'b', labels: { zone: 'x' } } });
  assert.ok(node.result === 'valid');
  pipeline.apply({ upserts: [node.object], removals: [] });
  assert.deepEqual(pipeline.agentNodes()[1], { name: 'b', labels: { zone: 'x' } });
  pipeline.apply({ upserts: [], removals: [refOf(slice([]))] });
  assert.deepEqual(pipeline.agentNodes(), []);
});
