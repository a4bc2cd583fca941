import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { modelResource, readModelBody } from '../../testkit/xds/model-resources.ts';
import { SnapshotCache } from './cache.ts';
import { LedViews } from './led-views.ts';
import { NodeViews } from './node-views.ts';
import { ALL_NODES, enforcementViews } from './scoped-views.ts';
import {
  CLUSTER_TYPE,
  CONFIG_SCOPE_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  NODE_ENDPOINTS_TYPE,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
} from './types.ts';
import { RootsView } from './view.ts';

const name = (typeUrl: string, of: string) => ({ typeUrl, name: of });

/** Two nodes; the first serves a listener, and slots lead both to filters. */
class Scene {
  readonly envoys = new SnapshotCache();
  readonly policies = new SnapshotCache();
  readonly base = new NodeViews(this.envoys, 'nothing');
  readonly views = new LedViews({
    cache: this.envoys,
    base: this.base,
    whole: ({ typeUrl }) => typeUrl !== EXTENSION_CONFIG_TYPE,
    leadOf: (node) => new RootsView(this.policies, [name(NODE_ENDPOINTS_TYPE, node)]),
    leads: new Map([[SLOT_TYPE, ({ resource }) => readModelBody(resource.body).requires]]),
  });

  constructor() {
    const cluster = modelResource(CLUSTER_TYPE, 'original-dst', '1');
    const filters = ['a', 'b'].map((of) => modelResource(EXTENSION_CONFIG_TYPE, of, '1'));
    this.envoys.replace([cluster, ...filters, modelResource(LISTENER_TYPE, 'ingress', '1')]);
    this.base.grant(new Map([['n1', 'everything']]));
    this.tell({ n1: ['a'], n2: ['b'] });
  }

  /** Which slots the policies of each node name. */
  tell(slots: Readonly<Record<string, readonly string[]>>): void {
    const all = [...new Set(Object.values(slots).flat())].map(slot);
    const policies = Object.entries(slots).map(([node, of]) =>
      modelResource(
        SUBJECT_POLICY_TYPE,
        node,
        of.join() || 'none',
        of.map((each) => name(SLOT_TYPE, each)),
      ),
    );
    const nodes = Object.keys(slots).map((node) => modelResource(NODE_ENDPOINTS_TYPE, node, '1', [name(SUBJECT_POLICY_TYPE, node)]));
    this.policies.replace([...all, ...policies, ...nodes]);
  }

  seen(node: string): Record<string, string[]> {
    const view = this.views.of(node);
    const named = (typeUrl: string) => [...view.ofType(typeUrl).keys()].sort();
    return { filters: named(EXTENSION_CONFIG_TYPE), clusters: named(CLUSTER_TYPE), listeners: named(LISTENER_TYPE) };
  }
}

/** What it leads to stands in its body: it is of the other cache. */
function slot(of: string) {
  const leadsTo = [name(EXTENSION_CONFIG_TYPE, of), name(CLUSTER_TYPE, 'original-dst')];
  return { ...modelResource(SLOT_TYPE, of, '1', leadsTo), requires: [] };
}

describe('what nodes see beside what they serve', () => {
  test('filters of slots that their own policies name, and no others, whatever else they are granted', () => {
    const scene = new Scene();
    assert.deepEqual(scene.seen('n1'), { filters: ['a'], clusters: ['original-dst'], listeners: ['ingress'] });
    assert.deepEqual(scene.seen('n2'), { filters: ['b'], clusters: ['original-dst'], listeners: [] });
    assert.equal(scene.views.of('n2').published(EXTENSION_CONFIG_TYPE, 'a'), undefined);
    assert.equal(scene.views.of('n1').grants(EXTENSION_CONFIG_TYPE, 'b'), false);
    assert.equal(scene.views.of('n2').grants(EXTENSION_CONFIG_TYPE, 'b'), true);
  });

  test('a slot that comes or goes is told of with what it leads to', () => {
    const scene = new Scene();
    const view = scene.views.of('n2');
    const told: string[] = [];
    view.watch(({ names }) => told.push(...names.map((each) => each.name)));
    scene.tell({ n1: [], n2: ['a', 'b'] });
    assert.deepEqual([...new Set(told)].sort(), ['a', 'original-dst']);
    assert.deepEqual(scene.seen('n2')['filters'], ['a', 'b']);
    assert.deepEqual(scene.seen('n1')['filters'], []);
    told.length = 0;
    scene.tell({ n1: [], n2: [] });
    assert.deepEqual([...new Set(told)].sort(), ['a', 'b', 'original-dst']);
    assert.deepEqual(scene.seen('n2'), { filters: [], clusters: [], listeners: [] });
  });

  test('what several nodes are led to is told to each as long as it is', () => {
    const scene = new Scene();
    const told: string[] = [];
    const views = ['n1', 'n2'].map((node) => {
      const view = scene.views.of(node);
      view.watch(({ names }) => told.push(...names.map((each) => `${node} ${each.name}`)));
      return view;
    });
    const change = (version: string) => {
      told.length = 0;
      scene.envoys.apply({ upserts: [modelResource(EXTENSION_CONFIG_TYPE, 'a', version)], removals: [] });
      return told.toSorted();
    };
    scene.tell({ n1: ['a'], n2: ['a', 'b'] });
    assert.deepEqual(change('2'), ['n1 a', 'n2 a']);
    for (const view of views.slice(0, 1)) scene.views.release(view);
    assert.deepEqual(change('3'), ['n2 a']);
    assert.deepEqual(scene.seen('n2')['filters'], ['a', 'b']);
    assert.equal(scene.views.of('n2').published(EXTENSION_CONFIG_TYPE, 'a')?.resource.version, '3');
    scene.tell({ n1: [], n2: ['b'] });
    assert.deepEqual(change('4'), []);
    scene.tell({ n1: [], n2: ['a'] });
    assert.equal(scene.views.of('n2').published(EXTENSION_CONFIG_TYPE, 'a')?.resource.version, '4');
  });

  test('a filter that changes is told of to those who see it', () => {
    const scene = new Scene();
    const told: string[] = [];
    for (const node of ['n1', 'n2']) scene.views.of(node).watch(({ names }) => told.push(...names.map((each) => `${node} ${each.name}`)));
    scene.envoys.apply({ upserts: [modelResource(EXTENSION_CONFIG_TYPE, 'b', '2')], removals: [] });
    assert.deepEqual(told, ['n2 b']);
  });

  test('a node that is granted more or less has another view, and keeps its slots', () => {
    const scene = new Scene();
    const before = scene.views.of('n1');
    scene.base.grant(new Map([['n1', 'nothing']]));
    assert.notEqual(scene.views.of('n1'), before);
    assert.deepEqual(scene.seen('n1'), { filters: ['a'], clusters: ['original-dst'], listeners: [] });
    scene.views.release(before);
    assert.deepEqual(scene.seen('n1')['filters'], ['a']);
  });

  test('what changes together with what leads to it is told of', () => {
    const cache = new SnapshotCache();
    const views = enforcementViews(cache);
    const scope = (version: string, ...slots: readonly string[]) =>
      modelResource(
        CONFIG_SCOPE_TYPE,
        ALL_NODES,
        version,
        slots.map((each) => name(SLOT_TYPE, each)),
      );
    const slotOf = (of: string, version: string) => modelResource(SLOT_TYPE, of, version);
    cache.replace([slotOf('a', '1'), slotOf('b', '1'), scope('1', 'a', 'b')]);
    const told = ['n1', 'n2'].map((node) => {
      const names: string[] = [];
      views.of(node).watch((change) => names.push(...change.names.map((each) => each.name)));
      return names;
    });
    cache.apply({ upserts: [slotOf('a', '2'), slotOf('c', '1'), scope('2', 'a', 'b', 'c')], removals: [] });
    for (const names of told) assert.deepEqual([...new Set(names)].filter((each) => each !== ALL_NODES).sort(), ['a', 'c']);
    assert.equal(views.of('n1').published(SLOT_TYPE, 'a')?.resource.version, '2');
  });
});
