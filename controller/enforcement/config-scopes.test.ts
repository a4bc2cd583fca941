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
  NODE_SCOPE_TYPE,
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
const forNodes = (zone: string, scope: ConfigScope): ConfigScope => ({ ...scope, nodeSelector: { matchLabels: { zone } } });

/** Two nodes that no Ingress is for, and what controllers have of configs. */
class Scene {
  readonly envoys = new SnapshotCache();
  readonly nodes = new SnapshotCache();
  readonly scopes = new ConfigScopes({ publish: (change) => this.nodes.apply(change), lingerMs: LINGER_MS });
  readonly ofEnvoys = new LedViews({
    cache: this.envoys,
    base: new NodeViews(this.envoys, 'nothing'),
    leadOf: (node) => new RootsView(this.nodes, rootsOfNode(node)),
    leads: new Map([[CONFIG_SCOPE_TYPE, this.scopes.leadsTo]]),
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

  label(node: string, zone?: string): void {
    this.scopes.setNode(node, zone === undefined ? undefined : { zone });
    this.nodes.apply(this.scopes.takeNodes());
  }

  seenBy(node: string): readonly string[] {
    const envoy = [LISTENER_TYPE, CLUSTER_TYPE, ENDPOINTS_TYPE].flatMap((type) => [...this.ofEnvoys.of(node).ofType(type).keys()]);
    return [...envoy, ...this.ofEnforcers.of(node).ofType(SLOT_TYPE).keys()].sort();
  }

  /** What each node has, which is the same for all. */
  seen(): readonly string[] {
    const all = NODES.map((node) => this.seenBy(node));
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

test('nodes have what is for their labels, with what is for all, and know what of listeners they do not have', () => {
  const scene = new Scene();
  scene.label('n1', 'north');
  scene.set('all', scopeOf([cluster('b')]));
  scene.set('shop', forNodes('north', scopeOf([cluster('a')], 'service/a')));
  assert.deepEqual(scene.seenBy('n1'), ['a', 'b', 'default/web', 'service/a']);
  assert.deepEqual(scene.seenBy('n2'), ['b'], 'nobody knows its labels');
  assert.deepEqual(
    NODES.map((node) => scene.scopes.slotsElsewhere(node)),
    [[], ['service/a']],
  );
  scene.set('other', forNodes('south', scopeOf([listener('own')], 'service/b')));
  scene.label('n2', 'south');
  assert.deepEqual(scene.seenBy('n1'), ['a', 'b', 'default/web', 'service/a']);
  assert.deepEqual(scene.seenBy('n2'), ['b', 'own', 'service/b']);
  assert.deepEqual(
    NODES.map((node) => scene.scopes.slotsElsewhere(node)),
    [['service/b'], ['service/a']],
  );
  const { revision } = scene.nodes;
  scene.label('n1', 'north');
  assert.equal(scene.nodes.revision, revision);
  scene.label('n2');
  assert.deepEqual(scene.seenBy('n2'), ['b']);
  scene.scopes.close();
});

test('a node keeps for a while what is not for it any more, but knows that at once', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const scene = new Scene();
  for (const node of NODES) scene.label(node, 'north');
  const scope = scopeOf([cluster('a')], 'service/a');
  const all = ['a', 'default/web', 'service/a'];
  scene.set('shop', forNodes('north', scope));
  scene.label('n1', 'south');
  assert.deepEqual(
    NODES.map((node) => [scene.seenBy(node), scene.scopes.slotsElsewhere(node)]),
    [
      [all, ['service/a']],
      [all, []],
    ],
  );
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(
    NODES.map((node) => scene.seenBy(node)),
    [[], all],
  );
  scene.label('n1', 'north');
  scene.label('n1', 'south');
  scene.label('n1', 'north');
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(scene.seen(), all);
  // Of a config that is for others from now on slots go at once, as those of one that is gone.
  scene.set('shop', forNodes('south', scope));
  assert.deepEqual(scene.seen(), ['a', 'default/web']);
  scene.set('shop', scope);
  assert.deepEqual(scene.seen(), all);
  scene.set('shop');
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(scene.seen(), []);
  assert.equal(scene.nodes.ofType(CONFIG_SCOPE_TYPE).size + scene.nodes.ofType(NODE_SCOPE_TYPE).size, 0);
});

test('an edit that leaves a config its names tells nodes nothing', () => {
  const scene = new Scene();
  scene.set('shop', scopeOf([cluster('a'), cluster('b')], 'service/a'));
  const { revision } = scene.nodes;
  scene.set('shop', scopeOf([cluster('b'), cluster('a')], 'service/a'));
  assert.equal(scene.nodes.revision, revision);
});
