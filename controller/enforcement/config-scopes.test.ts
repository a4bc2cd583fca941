import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import {
  CLUSTER_TYPE,
  CONFIG_SCOPE_TYPE,
  ENDPOINTS_TYPE,
  enforcementViews,
  LedViews,
  LISTENER_TYPE,
  NodeViews,
  RootsView,
  rootsOfNode,
  SLOT_TYPE,
  SnapshotCache,
} from '../../xds-server/serve/index.ts';
import type { ConfigScope } from '../pipeline/taken-services.ts';
import { ConfigScopes } from './config-scopes.ts';

const LINGER_MS = 1_000;
const NODES = ['n1', 'n2'];

const listener = (name: string) => ({ typeUrl: LISTENER_TYPE, name });
const cluster = (name: string) => ({ typeUrl: CLUSTER_TYPE, name });
const scopeOf = (resources: ConfigScope['resources'], ...slots: readonly string[]): ConfigScope => ({ resources, slots });

/** Two nodes that no Ingress is for, and what controllers have of configs. */
class Scene {
  readonly envoys = new SnapshotCache();
  readonly nodes = new SnapshotCache();
  readonly scopes = new ConfigScopes({ publish: (change) => this.nodes.apply(change), lingerMs: LINGER_MS });
  readonly ofEnvoys = new LedViews({
    cache: this.envoys,
    base: new NodeViews(this.envoys, 'nothing'),
    apart: new Map(),
    leadOf: (node) => new RootsView(this.nodes, rootsOfNode(node)),
    leads: new Map([[CONFIG_SCOPE_TYPE, () => this.scopes.leadsTo]]),
  });
  readonly ofEnforcers = enforcementViews(this.nodes);
  readonly told: string[] = [];

  constructor() {
    const endpoints = modelResource(ENDPOINTS_TYPE, 'default/web', '1');
    const [front, ...clusters] = [listener('own'), ...['a', 'b', 'ingress'].map(cluster)].map(({ typeUrl, name }) =>
      modelResource(typeUrl, name, '1', name === 'a' ? [endpoints] : []),
    );
    assert.ok(front);
    this.envoys.replace([endpoints, front, ...clusters]);
    this.nodes.replace(['service/a', 'service/b', 'policy'].map((name) => modelResource(SLOT_TYPE, name, '1')));
    this.ofEnvoys.of('n1').watch(({ names }) => this.told.push(...names.map(({ name }) => name)));
  }

  set(config: string, scope?: ConfigScope): void {
    this.told.length = 0;
    this.nodes.apply(this.scopes.take([{ config, ...(scope && { scope }) }]));
  }

  /** What each node has, which is the same for all. */
  seen(): readonly string[] {
    const all = NODES.map((node) => {
      const envoy = [LISTENER_TYPE, CLUSTER_TYPE, ENDPOINTS_TYPE].flatMap((type) => [...this.ofEnvoys.of(node).ofType(type).keys()]);
      return [...envoy, ...this.ofEnforcers.of(node).ofType(SLOT_TYPE).keys()].sort();
    });
    const [first = []] = all;
    assert.deepEqual(
      all,
      NODES.map(() => first),
    );
    return first;
  }
}

test('all nodes have all of a config, and no more, be there Ingresses for them or not', () => {
  const scene = new Scene();
  assert.deepEqual(scene.seen(), []);
  scene.set('shop', scopeOf([cluster('a')], 'service/a'));
  assert.deepEqual(scene.seen(), ['a', 'default/web', 'service/a']);
  assert.deepEqual(scene.told.toSorted(), ['a', 'default/web']);
  scene.set('other', scopeOf([cluster('b'), listener('own')]));
  assert.deepEqual(scene.seen(), ['a', 'b', 'default/web', 'own', 'service/a']);
  assert.deepEqual(scene.told.toSorted(), ['b', 'own']);
  scene.scopes.close();
});

test('what a config has no longer is seen for a while, but for its slots', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const scene = new Scene();
  scene.set('shop', scopeOf([cluster('a'), cluster('b')], 'service/a', 'service/b'));
  scene.set('shop', scopeOf([cluster('b')], 'service/b'));
  assert.deepEqual(scene.seen(), ['a', 'b', 'default/web', 'service/b']);
  mock.timers.tick(LINGER_MS / 2);
  scene.set('shop');
  assert.deepEqual(scene.seen(), ['a', 'b', 'default/web']);
  mock.timers.tick(LINGER_MS / 2);
  assert.deepEqual(scene.seen(), ['b']);
  scene.set('shop', scopeOf([cluster('b')]));
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(scene.seen(), ['b']);
  scene.set('shop');
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(scene.seen(), []);
  assert.equal(scene.nodes.ofType(CONFIG_SCOPE_TYPE).size, 0);
});

test('an edit that leaves a config its names tells nodes nothing', () => {
  const scene = new Scene();
  scene.set('shop', scopeOf([cluster('a'), cluster('b')], 'service/a'));
  const { revision } = scene.nodes;
  scene.set('shop', scopeOf([cluster('b'), cluster('a')], 'service/a'));
  assert.equal(scene.nodes.revision, revision);
});
