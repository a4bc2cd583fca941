import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CiliumEnvoyConfig, refOf } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { envoyConfigObject } from '../../testkit/kube-objects.ts';
import { ManualClock } from '../../testkit/manual-clock.ts';
import { type HoldingReport, LISTENER_TYPE, SLOT_TYPE } from '../../xds-server/serve/index.ts';
import type { AgentNode, ConfigState } from '../pipeline/config-states.ts';
import { ConfigStatuses } from './config-statuses.ts';

const KINDS = new Set(['CiliumEnvoyConfig']);
const SETTLE_MS = 1_000;
const GRACE_MS = 15_000;
const NOW = new Date('2026-02-03T04:05:06.789Z');
const TIME = '2026-02-03T04:05:06Z';
const NODES = ['n1', 'n2'];

function agents(names: readonly string[], labels: Readonly<Record<string, string>> = {}): readonly AgentNode[] {
  return names.map((name) => ({ name, labels }));
}

interface Version {
  readonly generation: number;
  readonly uid?: string;
  readonly spec?: object;
  readonly status?: unknown;
}

function object(name: string, { generation, uid = 'u', spec = { resources: [] }, status }: Version): CiliumEnvoyConfig {
  return envoyConfigObject(spec, { name, uid, generation }, true, status);
}

/** Wants one listener of that version. */
function state(name: string, { generation, uid = 'u', spec = { resources: [] } }: Version, more: Partial<ConfigState> = {}): ConfigState {
  const source = { object: refOf(object(name, { generation })), path: ['spec', 'resources', 0] };
  const listener = { typeUrl: LISTENER_TYPE, name: `default/${name}/web`, qualifiedName: `default/${name}/web` };
  return {
    uid,
    generation,
    diagnostics: [],
    good: { generation, spec },
    wanted: [{ ...listener, version: `${generation}`, source }],
    ...more,
  };
}

function report(accepted: Readonly<Record<string, string>>, refused: Readonly<Record<string, string>> = {}): HoldingReport {
  const refusals = Object.entries(refused).map(([name, version]) => [name, { version, message: 'no' }] as const);
  return { typeUrl: LISTENER_TYPE, accepted: new Map(Object.entries(accepted)), gone: [], refused: new Map(refusals) };
}

/** Statuses of whoever leads two nodes. */
class Scene {
  readonly clock = new ManualClock();
  due = 0;
  /** What is to be written at present, by the name of the config. */
  readonly actions = new Map<string, Readonly<Record<string, unknown>>>();
  readonly statuses = new ConfigStatuses({ onDue: () => this.#take(), clock: this.clock, now: () => NOW });

  static async leading(): Promise<Scene> {
    const scene = new Scene();
    scene.statuses.setKinds(KINDS);
    scene.statuses.setNodes(agents(NODES));
    scene.statuses.setLeading(true);
    for (const node of NODES) scene.statuses.noteHoldings(node, undefined);
    await scene.settle();
    return scene;
  }

  write(name: string, version: Version, more: Partial<ConfigState> = {}): void {
    const written = object(name, version);
    this.statuses.put(written);
    this.statuses.setStates([[objectKey(refOf(written)), state(name, version, more)]]);
  }

  /** As the API server shows it when the action is carried out. */
  show(name: string, version: Version): void {
    this.statuses.put(object(name, { ...version, status: this.actions.get(name) }));
  }

  async settle(): Promise<void> {
    await this.clock.pass(SETTLE_MS);
  }

  /** `Programmed` and the generation that is remembered. */
  told(name: string): readonly unknown[] | undefined {
    const { conditions, lastAccepted } = this.actions.get(name) ?? {};
    if (!Array.isArray(conditions)) return undefined;
    const { status, message } = conditions.find(({ type }) => type === 'Programmed');
    return [`${status} ${message}`, typeof lastAccepted === 'object' && lastAccepted !== null && Reflect.get(lastAccepted, 'generation')];
  }

  #take(): void {
    this.due++;
    for (const [key, action] of this.statuses.takeActions()) {
      const name = key.slice(key.lastIndexOf('/') + 1);
      const status = action?.manifest['status'];
      if (typeof status === 'object' && status !== null) this.actions.set(name, { ...status });
      else this.actions.delete(name);
    }
  }
}

const WEB = 'Listener "web" (spec.resources[0]): no';
const COPY = `refuses a copy, which asks clients the rules of their policies, of ${WEB}`;
const HELD = { 'default/shop/web': '1' };

describe('statuses of configs', () => {
  test('are written once nodes had a moment, by server-side apply to that object alone, and no more once they are there', async () => {
    const scene = await Scene.leading();
    scene.write('shop', { generation: 1 });
    for (const node of NODES) {
      await scene.clock.pass(400);
      scene.statuses.noteHoldings(node, report(HELD));
      assert.equal(scene.actions.size, 0);
    }
    await scene.settle();
    const condition = { status: 'True', lastTransitionTime: TIME, observedGeneration: 1 };
    assert.deepEqual(scene.actions.get('shop'), {
      conditions: [
        { type: 'Accepted', ...condition, reason: 'Accepted', message: 'all of it can be served' },
        { type: 'ResolvedRefs', ...condition, reason: 'ResolvedRefs', message: 'all that it names is there' },
        { type: 'Programmed', ...condition, reason: 'Programmed', message: '2 of 2 nodes' },
      ],
      nodes: { programmed: 2, total: 2 },
      lastAccepted: { generation: 1, spec: { resources: [] } },
    });
    scene.show('shop', { generation: 1 });
    await scene.settle();
    assert.equal(scene.actions.size, 0);
    const { due } = scene;
    await scene.clock.pass(60_000);
    assert.equal(scene.due, due);
  });

  test('keep conditions of others, and the time of their own', async () => {
    const scene = await Scene.leading();
    const before = { status: 'Unknown', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Pending', message: '', observedGeneration: 1 };
    scene.write('shop', {
      generation: 2,
      status: {
        conditions: [
          { ...before, type: 'Programmed' },
          { ...before, type: 'Other' },
        ],
      },
    });
    await scene.settle();
    const { conditions } = scene.actions.get('shop') ?? {};
    assert.ok(Array.isArray(conditions));
    assert.deepEqual(
      conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
      [
        ['Accepted', TIME],
        ['ResolvedRefs', TIME],
        ['Programmed', '2026-01-01T00:00:00Z'],
      ],
    );
  });

  for (const [what, change] of [
    ['of a kind without a status', (scene: Scene) => scene.statuses.setKinds(new Set())],
    ['of an object that is gone', (scene: Scene) => scene.statuses.delete(refOf(object('shop', { generation: 1 })))],
    ['of another version than was judged', (scene: Scene) => scene.statuses.put(object('shop', { generation: 2 }))],
    ['of another object than was judged', (scene: Scene) => scene.statuses.put(object('shop', { generation: 1, uid: 'v' }))],
    ['by who leads no more', (scene: Scene) => scene.statuses.setLeading(false)],
  ] as const) {
    test(`are not written ${what}`, async () => {
      const scene = await Scene.leading();
      scene.write('shop', { generation: 1 });
      await scene.settle();
      assert.equal(scene.actions.size, 1);
      change(scene);
      await scene.settle();
      assert.equal(scene.actions.size, 0);
    });
  }

  test('of very many are written by and by', async () => {
    const scene = await Scene.leading();
    for (let index = 0; index < 50; index++) scene.write(`shop-${index}`, { generation: 1 });
    for (const expected of [20, 40, 50]) {
      await scene.settle();
      assert.equal(scene.actions.size, expected);
    }
  });

  test('by who comes to lead wait for what nodes have, but not for long', async () => {
    for (const [says, waitsMs] of [
      [NODES, SETTLE_MS],
      [['n1'], GRACE_MS],
    ] as const) {
      const scene = new Scene();
      scene.statuses.setKinds(KINDS);
      scene.statuses.setNodes(agents(NODES));
      scene.write('shop', { generation: 1 });
      await scene.settle();
      scene.statuses.setLeading(true);
      for (const node of says) {
        scene.statuses.noteHoldings(node, undefined);
        scene.statuses.noteHoldings(node, report(HELD));
      }
      await scene.clock.pass(waitsMs - 1);
      assert.equal(scene.actions.size, 0);
      await scene.settle();
      const count = says.length === 2 ? 'True 2 of 2 nodes' : 'Unknown 1 of 2 nodes; not yet: n2';
      assert.deepEqual(scene.told('shop'), [count, 1]);
    }
  });
});

describe('nodes', () => {
  const scene = async (...reports: readonly HoldingReport[]) => {
    const made = await Scene.leading();
    made.write('shop', { generation: 1 });
    for (const [index, each] of reports.entries()) made.statuses.noteHoldings(NODES[index] ?? '', each);
    await made.settle();
    return made;
  };
  const has = report(HELD);
  const hasAnother = report({ 'default/shop/web': '0' });
  const refuses = report({}, HELD);

  test('count where they have this version, and what one refuses is told', async () => {
    for (const [first, second, expected] of [
      [has, has, ['True 2 of 2 nodes', 1]],
      [has, hasAnother, ['Unknown 1 of 2 nodes; not yet: n2', false]],
      [hasAnother, hasAnother, ['Unknown 0 of 2 nodes; not yet: n1, n2', false]],
      [has, refuses, ['False 1 of 2 nodes; Envoy of node n2 refuses Listener "web" (spec.resources[0]): no', false]],
      [has, report({}, { 'default/shop/web': '0' }), ['Unknown 1 of 2 nodes; not yet: n2', false]],
      [report(HELD, { 'default/shop/web': '0' }), has, ['True 2 of 2 nodes', 1]],
      [report(HELD, HELD), has, [`False 1 of 2 nodes; Envoy of node n1 ${COPY}`, 1]],
      [report(HELD, HELD), report(HELD, HELD), [`False 0 of 2 nodes; Envoys of 2 nodes (n1, n2) ${COPY.replace('refuses', 'refuse')}`, 1]],
      [report(HELD, HELD), refuses, [`False 0 of 2 nodes; Envoy of node n1 ${COPY}; Envoy of node n2 refuses ${WEB}`, false]],
      [has, { ...has, typeUrl: SLOT_TYPE }, ['Unknown 1 of 2 nodes; not yet: n2', false]],
    ] as const) {
      assert.deepEqual((await scene(first, second)).told('shop'), expected);
    }
  });

  test('may have it no more, or mend what they refused', async () => {
    const made = await scene(has, refuses);
    made.statuses.noteHoldings('n2', has);
    await made.settle();
    assert.deepEqual(made.told('shop'), ['True 2 of 2 nodes', 1]);
    made.statuses.noteHoldings('n2', { ...report({}), gone: ['default/shop/web'] });
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown 1 of 2 nodes; not yet: n2', false]);
  });

  test('that come to say what they have anew have none of what they said before', async () => {
    const made = await scene(has, has);
    made.statuses.noteHoldings('n1', undefined);
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown 1 of 2 nodes; not yet: n1', false]);
  });

  test('that say no more have what they had, for a while', async () => {
    const made = await scene(has, has);
    made.statuses.noteSilence('n2');
    await made.clock.pass(GRACE_MS - 1);
    assert.deepEqual(made.told('shop'), ['True 2 of 2 nodes', 1]);
    await made.settle();
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown 1 of 2 nodes; not yet: n2', 1]);
  });

  test('that come and go change the count', async () => {
    const made = await scene(has, has);
    made.statuses.setNodes(agents(['n1', 'n2', 'n3']));
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown 2 of 3 nodes; not yet: n3', 1]);
    made.statuses.setNodes([]);
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown no node that it is for has an agent', 1]);
  });

  test('that a config is not for do not count', async () => {
    const made = await scene(has, has);
    const nodeSelector = { matchLabels: { zone: 'a' } };
    made.write('shop', { generation: 1 }, { nodeSelector });
    await made.settle();
    assert.deepEqual(made.told('shop'), ['Unknown no node that it is for has an agent', 1]);
    made.statuses.setNodes([...agents(['n1'], { zone: 'a' }), ...agents(['n2'], { zone: 'b' })]);
    await made.settle();
    assert.deepEqual(made.told('shop'), ['True 1 of 1 node', 1]);
  });

  test('that change touch only who wants that', async () => {
    const made = await scene(has, has);
    made.show('shop', { generation: 1 });
    await made.settle();
    const { due } = made;
    made.statuses.noteHoldings('n1', report({ 'default/other/web': '1' }));
    await made.settle();
    assert.equal(made.due, due);
  });
});

describe('the version that is remembered', () => {
  test('is the one in force, from when nodes have it', async () => {
    const scene = await Scene.leading();
    scene.write('shop', { generation: 1 });
    for (const node of NODES) scene.statuses.noteHoldings(node, report(HELD));
    await scene.settle();
    scene.show('shop', { generation: 1 });
    const status = scene.actions.get('shop');
    scene.write('shop', { generation: 2, status });
    await scene.settle();
    assert.deepEqual(scene.told('shop'), ['Unknown 0 of 2 nodes; not yet: n1, n2', 1]);
    for (const node of NODES) scene.statuses.noteHoldings(node, report({ 'default/shop/web': '2' }));
    await scene.settle();
    assert.deepEqual(scene.told('shop'), ['True 2 of 2 nodes', 2]);
    // It is wrong from now on.
    scene.write('shop', { generation: 3, status: scene.actions.get('shop') }, { good: { generation: 2, spec: {} } });
    await scene.settle();
    assert.equal(scene.told('shop')?.[1], 2);
  });

  test('is none that is too large, nor one that was before', async () => {
    const scene = await Scene.leading();
    const lastAccepted = { generation: 1, spec: {} };
    scene.write('shop', { generation: 2, spec: { resources: ['x'.repeat(600_000)] }, status: { lastAccepted } });
    for (const node of NODES) scene.statuses.noteHoldings(node, report({ 'default/shop/web': '2' }));
    await scene.settle();
    assert.deepEqual(scene.told('shop'), ['True 2 of 2 nodes', false]);
    assert.match(JSON.stringify(scene.actions.get('shop')), /too large to be remembered/);
  });
});
