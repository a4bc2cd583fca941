import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterPlacement } from '../../ingress-controller/index.ts';
import { formatPath } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { envoyConfigObject, serviceObject } from '../../testkit/kube-objects.ts';
import { CLUSTER_TYPE, SLOT_TYPE } from '../../xds-server/serve/index.ts';
import type { WantedResource } from './config-states.ts';
import { Pipeline } from './pipeline.ts';

const API = 'type.googleapis.com/envoy';
const WEB = serviceObject({ clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] });
const ROLLED_BACK = ['RejectedByEnvoy', 'LastGoodEnvoyConfig'];

interface Text {
  /** Of the listener. */
  readonly says?: string;
  readonly timeout?: string;
  readonly status?: unknown;
}

function shop(generation: number, { says = 'one', timeout = '1s', status }: Text = {}) {
  const proxy = { '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`, statPrefix: says, cluster: 'web' };
  const listener = {
    '@type': `${API}.config.listener.v3.Listener`,
    name: 'front',
    filterChains: [{ filters: [{ name: 'p', typedConfig: proxy }] }],
  };
  const edsClusterConfig = { serviceName: 'default/web' };
  const cluster = { '@type': `${API}.config.cluster.v3.Cluster`, name: 'web', type: 'EDS', connectTimeout: timeout, edsClusterConfig };
  const spec = { services: [{ name: 'web' }], backendServices: [{ name: 'web' }], resources: [cluster, listener] };
  return envoyConfigObject(spec, { name: 'shop', uid: 'u', generation }, true, status);
}

/** A controller that is told what nodes make of one config. */
class Scene {
  readonly #pipeline = new Pipeline({
    settings: DEFAULT_SETTINGS,
    ports: PORTS,
    placement: (ingress) => clusterPlacement(ingress, 'sluice-system'),
    ingressMarks: { client: 0xd00, server: 0xe00 },
    clientMark: 0xd02,
    asOf: new Date(0),
  });
  #wanted: readonly WantedResource[] = [];

  constructor(...objects: readonly ReturnType<typeof shop>[]) {
    this.write(WEB);
    for (const object of objects) this.write(object);
  }

  write(...upserts: readonly (ReturnType<typeof shop> | typeof WEB)[]): readonly unknown[] {
    this.#pipeline.apply({ upserts, removals: [] });
    return this.state();
  }

  /** The generation in force, and what is told. */
  state(): readonly unknown[] {
    const [[, state] = []] = this.#pipeline.takeConfigStates().filter(([key]) => key.endsWith('/shop'));
    if (!state) return [];
    this.#wanted = state.wanted;
    return [state.good?.generation, ...state.diagnostics.map(({ code }) => code)];
  }

  /** What a node's Envoy says of what is in force. @returns what becomes of that, where that is something else */
  says(outcome: 'held' | 'nack', of = [CLUSTER_TYPE, SLOT_TYPE], message = 'no'): readonly unknown[] {
    for (const { typeUrl, name, version } of this.#wanted.filter((each) => of.includes(each.typeUrl)))
      this.#pipeline.noteOutcome({ typeUrl, name, version, nodeId: 'n1', removed: false, outcome, message });
    return this.state();
  }

  told(): readonly string[] {
    return this.#pipeline.diagnostics().map(({ path, message }) => `${formatPath(path)}: ${message}`);
  }
}

describe('a config with a listener that Services are led to, and that an Envoy refuses', () => {
  test('is as a whole what Envoys took before, and told of the listener in their words', () => {
    const scene = new Scene(shop(1));
    assert.deepEqual(scene.says('held'), []);
    assert.deepEqual(scene.write(shop(2, { says: 'bad', timeout: '2s' })), [2]);
    assert.deepEqual(scene.says('held', [CLUSTER_TYPE]), []);
    assert.deepEqual(scene.says('nack', [SLOT_TYPE], 'no such thing'), [1, ...ROLLED_BACK]);
    assert.ok(scene.told().includes('spec.resources[1]: Envoy "n1" refused Listener "default/shop/front": no such thing'));
    assert.deepEqual(scene.write(shop(3, { says: 'two' })), [3]);
  });

  test('stays where none took it before', () => {
    const scene = new Scene(shop(1));
    assert.deepEqual(scene.says('nack', [SLOT_TYPE]), []);
    scene.says('held', [CLUSTER_TYPE]);
    scene.write(shop(2, { says: 'two' }));
    assert.deepEqual(scene.says('nack', [SLOT_TYPE]), [], 'of the one before, all was taken but the listener');
  });

  test('is what its status remembers, where nobody here knew it before', () => {
    const lastAccepted = { generation: 1, spec: shop(1).spec };
    const scene = new Scene(shop(2, { says: 'bad', status: { lastAccepted } }));
    assert.deepEqual(scene.says('nack', [SLOT_TYPE]), [1, ...ROLLED_BACK]);
  });

  for (const message of [
    "cannot bind '0.0.0.0:10000': Address already in use",
    'sluice.slot/service/abc: Setting socket options failed',
    "error adding listener: 'sluice.slot/service/abc' has duplicate address '0.0.0.0:10000' as existing listener",
  ]) {
    test(`stays where that is for what is the node's: ${message}`, () => {
      const scene = new Scene(shop(1));
      scene.says('held');
      scene.write(shop(2, { says: 'two' }));
      assert.deepEqual(scene.says('nack', [SLOT_TYPE], message), []);
    });
  }

  test('is what it was also by its clusters alone, where nobody tells of listeners', () => {
    const scene = new Scene(shop(1));
    scene.says('held', [CLUSTER_TYPE]);
    scene.write(shop(2, { timeout: '2s' }));
    assert.deepEqual(scene.says('nack', [CLUSTER_TYPE]), [1, ...ROLLED_BACK]);
  });
});
