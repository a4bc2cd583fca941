import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  type Grant,
  LISTENER_TYPE,
  NodeViews,
  type ResourceName,
  SECRET_TYPE,
  SnapshotCache,
  type View,
} from './index.ts';
import { RootsView } from './view.ts';

const TYPES = [LISTENER_TYPE, CLUSTER_TYPE, ENDPOINTS_TYPE, SECRET_TYPE, EXTENSION_CONFIG_TYPE];
const L0: ResourceName = { typeUrl: LISTENER_TYPE, name: 'l0' };
const L1: ResourceName = { typeUrl: LISTENER_TYPE, name: 'l1' };
const C0: ResourceName = { typeUrl: CLUSTER_TYPE, name: 'c0' };
const C1: ResourceName = { typeUrl: CLUSTER_TYPE, name: 'c1' };
const E0: ResourceName = { typeUrl: ENDPOINTS_TYPE, name: 'e0' };
const K0: ResourceName = { typeUrl: SECRET_TYPE, name: 'k0' };

function resource({ typeUrl, name }: ResourceName, version: string, requires: readonly ResourceName[] = []) {
  return modelResource(typeUrl, name, version, requires);
}

/** Two listeners; the first leads to a cluster with endpoints, both to one secret. */
const ALL = [
  resource(E0, '1'),
  resource(K0, '1'),
  resource(C0, '1', [E0]),
  resource(C1, '1'),
  resource(L0, '1', [C0, K0]),
  resource(L1, '1', [K0]),
];

function cacheOf(...resources: readonly ReturnType<typeof resource>[]): SnapshotCache {
  const cache = new SnapshotCache();
  cache.replace(resources);
  return cache;
}

function namesIn(view: View): string[] {
  return TYPES.flatMap((typeUrl) => [...view.ofType(typeUrl).keys()]).sort();
}

describe('a view of roots', () => {
  test('of which something is so holds, after any changes, what one does that is made anew', () => {
    const isRoot = ({ typeUrl }: ResourceName) => typeUrl === LISTENER_TYPE || typeUrl === CLUSTER_TYPE;
    const names = TYPES.flatMap((typeUrl, type) => ['a', 'b', 'c'].map((name) => ({ typeUrl, name: `${name}${type}` })));
    const change = fc.record({
      at: fc.nat(names.length - 1),
      requires: fc.subarray(names, { maxLength: 4 }),
      isGone: fc.boolean(),
      version: fc.nat(3),
    });
    const property = fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const cache = new SnapshotCache({ partial: true });
      const view = new RootsView(cache, isRoot);
      for (const { at, requires, isGone, version } of changes) {
        const name = names[at] ?? L0;
        const before = new Set(namesIn(view));
        const told = new Set<string>();
        const unwatch = view.watch((change) => {
          for (const each of change.names) told.add(each.name);
        });
        const resources = isGone ? [] : [resource(name, `${version} ${requires.map((each) => each.name)}`, requires)];
        cache.apply({ upserts: resources, removals: isGone ? [name] : [] });
        unwatch();
        const anew = new RootsView(cache, isRoot);
        const after = new Set(namesIn(view));
        assert.deepEqual([...after], namesIn(anew));
        anew.close();
        for (const each of names) if (before.has(each.name) !== after.has(each.name)) assert.ok(told.has(each.name), each.name);
        for (const each of names) assert.equal(view.grants(each.typeUrl, each.name), isRoot(each) || anew.grants(each.typeUrl, each.name));
      }
    });
    fc.assert(property, { numRuns: 200 });
  });

  test('holds what they require, in so many steps, and the very resources of the cache', () => {
    const cache = cacheOf(...ALL);
    const view = new RootsView(cache, [L0]);
    assert.deepEqual(namesIn(view), ['c0', 'e0', 'k0', 'l0']);
    assert.equal(view.published(ENDPOINTS_TYPE, 'e0'), cache.published(ENDPOINTS_TYPE, 'e0'));
    assert.equal(view.published(LISTENER_TYPE, 'l1'), undefined);
  });

  test('follows the cache, and tells only of what it holds', () => {
    const cache = cacheOf(...ALL);
    const view = new RootsView(cache, [L0]);
    const told: string[][] = [];
    view.watch(({ names }) => told.push(names.map(({ name }) => name).sort()));
    cache.apply({ upserts: [resource(L1, '2')], removals: [] });
    cache.apply({ upserts: [resource(E0, '2')], removals: [] });
    cache.apply({ upserts: [resource(L0, '2', [C1])], removals: [] });
    assert.deepEqual(told, [[], ['e0'], ['c0', 'c1', 'e0', 'k0', 'l0']]);
    assert.deepEqual(namesIn(view), ['c1', 'l0']);
    cache.apply({ upserts: [], removals: [L0] });
    assert.deepEqual(namesIn(view), []);
    cache.apply({ upserts: [resource(L0, '3', [C0])], removals: [] });
    assert.deepEqual(namesIn(view), ['c0', 'e0', 'l0']);
    view.close();
    cache.apply({ upserts: [], removals: [L0] });
    assert.deepEqual([told.length, namesIn(view)], [5, ['c0', 'e0', 'l0']]);
  });

  test('keeps nothing for its own sake where resources of one type require each other', () => {
    const [x, y] = ['x', 'y'].map((name) => ({ typeUrl: EXTENSION_CONFIG_TYPE, name }));
    assert.ok(x && y);
    const cache = cacheOf(resource(x, '1', [y]), resource(y, '1', [x]), resource(L0, '1', [x]));
    const view = new RootsView(cache, [L0]);
    cache.apply({ upserts: [resource(L0, '2')], removals: [] });
    assert.deepEqual(namesIn(view), ['l0']);
  });
});

describe('views of nodes', () => {
  test('are shared by nodes that are granted the same, in whatever order', () => {
    const views = new NodeViews(cacheOf(...ALL), 'nothing');
    const nodes = Array.from({ length: 1_000 }, (_, index) => `node-${index}`);
    const grants: readonly Grant[] = [[L0, L1], [L1, L0, L1], [L1], [], 'nothing', 'everything'];
    views.grant(new Map(nodes.map((node, index) => [node, grants[index % grants.length]])));
    assert.equal(new Set(nodes.map((node) => views.of(node))).size, 4);
    assert.deepEqual(namesIn(views.of('node-1')), ['c0', 'e0', 'k0', 'l0', 'l1']);
    assert.equal(views.of('node-3'), views.of('nobody has heard of it'));
    assert.ok(views.isNothing('node-3'));
  });

  test('end with the last node that has them', () => {
    const cache = cacheOf(...ALL);
    const views = new NodeViews(cache, 'everything');
    views.grant(
      new Map([
        ['a', [L0]],
        ['b', [L0]],
      ] as const),
    );
    const view = views.of('a');
    views.grant(new Map([['a', undefined]]));
    cache.apply({ upserts: [resource(E0, '2')], removals: [] });
    assert.equal(view.published(ENDPOINTS_TYPE, 'e0')?.resource.version, '2');
    views.grant(new Map([['b', 'nothing']]));
    cache.apply({ upserts: [resource(E0, '3')], removals: [] });
    assert.equal(view.published(ENDPOINTS_TYPE, 'e0')?.resource.version, '2');
    assert.equal(views.of('a'), cache);
  });
});

describe('a node that sees a part', () => {
  async function open() {
    const cache = new SnapshotCache();
    const views = new NodeViews(cache, 'nothing');
    const scene = await XdsScene.open({ cache, views });
    cache.replace(ALL);
    return { cache, views, scene, server: scene.server };
  }

  test('is told of a name outside of it what it is told of one that does not exist', async () => {
    const { scene, server, views } = await open();
    await using _ = scene;
    views.grant(new Map([['node-0', [L0]]]));
    const peer = scene.delta();
    peer.say({ node: { id: 'node-0' }, typeUrl: LISTENER_TYPE, resourceNamesSubscribe: ['*', 'l1', 'nowhere'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+l0@1', '-l1', '-nowhere']);
    peer.say({ typeUrl: SECRET_TYPE, resourceNamesSubscribe: ['k0', 'nowhere'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+k0@1', '-nowhere']);
    await server.waitSynced('node-0');
    assert.deepEqual(server.interest().get(LISTENER_TYPE), { wildcard: true, names: new Set() });
    assert.deepEqual(server.interest().get(SECRET_TYPE)?.names, new Set(['k0']));
    assert.equal(server.standing(L1, '1').kind, 'unwanted');
    assert.equal(server.standing(L0, '1').kind, 'accepted');
  });

  test('is synced with nothing at all, and hears nothing when things change', async () => {
    const { scene, server, cache } = await open();
    await using _ = scene;
    const peer = scene.delta();
    peer.say({ node: { id: 'node-0' }, typeUrl: SECRET_TYPE, resourceNamesSubscribe: ['k0'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-k0']);
    peer.say({ typeUrl: CLUSTER_TYPE });
    assert.deepEqual(wordsOf(await peer.nextAcked()), []);
    cache.apply({ upserts: [resource(K0, '2'), resource(C1, '2')], removals: [] });
    await server.waitSynced('node-0', { revision: cache.revision, types: [CLUSTER_TYPE, SECRET_TYPE] });
    assert.deepEqual(peer.unread, []);
    assert.deepEqual(
      scene.outcomes.map(({ name, removed }) => [name, removed]),
      [['k0', true]],
    );
  });

  test('gains and loses on the stream that it has, clusters before listeners and after them', async () => {
    const { scene, server, views } = await open();
    await using _ = scene;
    const peer = scene.delta();
    const said: string[][] = [];
    const take = async (count: number) => {
      for (let index = 0; index < count; index++) said.push(wordsOf(await peer.nextAcked()));
    };
    peer.say({ node: { id: 'node-0' }, typeUrl: LISTENER_TYPE });
    peer.say({ typeUrl: CLUSTER_TYPE });
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['e0'] });
    peer.say({ typeUrl: SECRET_TYPE, resourceNamesSubscribe: ['k0'] });
    await take(4);
    assert.deepEqual(said.splice(0), [[], [], ['-e0'], ['-k0']]);
    views.grant(new Map([['node-0', [L0]]]));
    await take(4);
    assert.deepEqual([said.splice(0, 1), said.splice(0).slice(-1)], [[['+c0@1']], [['+l0@1']]]);
    views.grant(new Map([['node-1', [L0]]]));
    views.grant(new Map([['node-0', [L1]]]));
    await take(3);
    assert.deepEqual(
      said.splice(0).map((words) => words.join()),
      ['+l1@1,-l0', '-c0', '-e0'],
    );
    await server.waitSynced('node-0');
    assert.equal(server.clients().length, 1);
  });
});
