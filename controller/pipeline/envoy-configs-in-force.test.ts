import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Graph } from '../../collection/index.ts';
import { readEnvoyConfig } from '../../envoy-config/index.ts';
import { type KubeObject, type ObjectBatch, refOf } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { envoyConfigObject, serviceObject } from '../../testkit/kube-objects.ts';
import type { Verdict } from '../dry-run/dry-run.ts';
import { unitsOf } from '../dry-run/units.ts';
import { type ConfigTrial, EnvoyConfigsInForce } from './envoy-configs-in-force.ts';
import { createInputs } from './inputs.ts';

const TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

/** A config with one cluster. */
function config(cluster: string, uid?: string, more: object = {}, namespaced = true) {
  const resources = [{ '@type': TYPE, name: cluster, type: 'STATIC', ...more }];
  return envoyConfigObject({ resources }, { name: 'web', ...(uid !== undefined && { uid }) }, namespaced);
}

function wrong(uid?: string, namespaced = true) {
  return config('wrong', uid, { lbPolicy: 'NONE' }, namespaced);
}

class Scene {
  readonly #graph = new Graph();
  readonly inputs = createInputs(this.#graph);
  readonly #inForce: EnvoyConfigsInForce;
  #trials: readonly ConfigTrial[] = [];

  /** @param isTried whether configs are tried before they are served */
  constructor(isTried = false) {
    this.#inForce = new EnvoyConfigsInForce(
      (object) => readEnvoyConfig(object, { allow: [] }),
      () => isTried,
    );
  }

  /** The names of what came to be tried. */
  begin(): readonly string[] {
    const begun = this.#inForce.takeTrials();
    this.#trials = [...this.#trials, ...begun];
    return begun.flatMap(({ config }) => config.resources.map(({ resource }) => resource.name));
  }

  /** Concludes the oldest trial. */
  end(kind: 'taken' | 'refused' | 'untried'): readonly string[] {
    const [trial, ...later] = this.#trials;
    assert.ok(trial);
    this.#trials = later;
    const [unit] = unitsOf(trial.config);
    assert.ok(unit);
    const verdict: Verdict = kind === 'taken' ? { kind } : kind === 'untried' ? { kind, reason: '' } : { kind, unit, words: 'no' };
    this.#inForce.conclude(this.inputs, [{ trial, verdict }]);
    return this.state();
  }

  write(...upserts: readonly KubeObject[]): readonly string[] {
    return this.take({ upserts, removals: [] });
  }

  remove(...objects: readonly KubeObject[]): readonly string[] {
    return this.take({ upserts: [], removals: objects.map(refOf) });
  }

  /** What a node's Envoy says of the cluster of a version that is, or was, served. */
  says(outcome: 'ack' | 'nack', cluster: string, message = ''): readonly string[] {
    const [resource] = readEnvoyConfig(config(cluster), { allow: [] }).config?.resources.map((each) => each.resource) ?? [];
    assert.ok(resource);
    const { typeUrl, name, version } = resource;
    const isServedAnew = this.#inForce.note(this.inputs, refOf(config(cluster)), {
      nodeId: 'node',
      typeUrl,
      name,
      version,
      removed: false,
      outcome,
      message,
    });
    const state = this.state();
    assert.equal(this.inputs.envoyConfigs.changed.size > 0, isServedAnew);
    return state;
  }

  take(batch: Pick<ObjectBatch, 'upserts' | 'removals'>): readonly string[] {
    this.#inForce.take(this.inputs, batch);
    return this.state();
  }

  /** The names of what is served, and the codes of what is told. */
  state(): readonly string[] {
    this.#graph.settle();
    return [...this.inputs.envoyConfigs.values()].flatMap(({ inForce, diagnostics }) => [
      ...(inForce?.resources ?? []).map(({ resource }) => resource.name),
      ...diagnostics.map(({ code }) => code),
    ]);
  }
}

const KEPT = ['InvalidEnvoyConfig', 'LastGoodEnvoyConfig'];

describe('a config', () => {
  test('is what it says while it is right', () => {
    const scene = new Scene();
    assert.deepEqual(scene.write(config('one')), ['default/web/one']);
    assert.deepEqual(scene.write(config('two')), ['default/web/two']);
  });

  test('is nothing while it was never right', () => {
    const scene = new Scene();
    assert.deepEqual(scene.write(wrong()), ['InvalidEnvoyConfig']);
    assert.deepEqual(scene.write(wrong()), ['InvalidEnvoyConfig']);
    assert.deepEqual(scene.write(config('one')), ['default/web/one']);
  });

  test('stays what it was last while it is wrong, however often', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.write(config('two'));
    assert.deepEqual(scene.write(wrong()), ['default/web/two', ...KEPT]);
    assert.deepEqual(scene.write(wrong()), ['default/web/two', ...KEPT]);
    assert.deepEqual(scene.write(config('three')), ['default/web/three']);
  });

  for (const [what, first, second, expected] of [
    ['the same to the API server', 'a', 'a', ['default/web/one', ...KEPT]],
    ['another to the API server', 'a', 'b', ['InvalidEnvoyConfig']],
    ['one of a file', undefined, undefined, ['default/web/one', ...KEPT]],
    ['of a file after one of the API server', 'a', undefined, ['InvalidEnvoyConfig']],
  ] as const) {
    test(`${what} has what it was before: ${expected.length === 3}`, () => {
      const scene = new Scene();
      scene.write(config('one', first));
      assert.deepEqual(scene.write(wrong(second)), expected);
      assert.deepEqual(scene.write(wrong(first)), expected.length === 3 ? expected : ['InvalidEnvoyConfig']);
    });
  }

  test('that was removed leaves nothing to one of its name', () => {
    const scene = new Scene();
    scene.write(config('one'));
    assert.deepEqual(scene.remove(config('one')), []);
    assert.deepEqual(scene.write(wrong()), ['InvalidEnvoyConfig']);
  });

  test('that is removed and made anew in one batch has nothing from before', () => {
    const scene = new Scene();
    scene.write(config('one'));
    assert.deepEqual(scene.take({ upserts: [wrong()], removals: [refOf(config('one'))] }), ['InvalidEnvoyConfig']);
  });

  test('of a namespace and one of none do not meet, nor do other objects', () => {
    const scene = new Scene();
    scene.write(config('one'), config('one', undefined, {}, false), serviceObject({ ports: [{ port: 80 }] }));
    assert.deepEqual([...scene.inputs.envoyConfigs.keys()].sort(), [
      objectKey(refOf(config('one', undefined, {}, false))),
      objectKey(refOf(config('one'))),
    ]);
    assert.deepEqual(scene.write(wrong(undefined, false)), ['default/web/one', '/web/one', ...KEPT]);
    assert.deepEqual(scene.remove(wrong(undefined, false)), ['default/web/one']);
  });
});

/** As after a restart of whoever knew what was right before. */
describe('a config that is wrong when it is first seen', () => {
  const good = config('one').spec;
  const other = config('two').spec;
  const seen = (uid: string | undefined, lastAccepted: unknown, generation = 3) => {
    const { spec } = wrong();
    return envoyConfigObject(spec, { name: 'web', generation, ...(uid !== undefined && { uid }) }, true, { lastAccepted });
  };
  const told = ['InvalidEnvoyConfig'];

  for (const [what, object, expected] of [
    ['has what its status remembers', seen('a', { generation: 2, spec: good }), ['default/web/one', ...KEPT]],
    ['has nothing where that is wrong, too', seen('a', { generation: 2, spec: wrong().spec }), told],
    ['has nothing that may not be served', seen('a', { generation: 2, spec: { resources: [{ '@type': TYPE, name: '/other/a' }] } }), told],
    ['has nothing where nothing is remembered', seen('a', undefined), told],
    ['has nothing where that cannot be read', seen('a', { generation: 'two', spec: good }), told],
    ['has nothing where that is no spec', seen('a', { generation: 2, spec: 7 }), told],
    ['has nothing where it is of a file, whatever stands there', seen(undefined, { generation: 2, spec: good }), told],
  ] as const) {
    test(what, () => {
      assert.deepEqual(new Scene().write(object), expected);
    });
  }

  test('keeps that while it is wrong, whatever its status says then', () => {
    const scene = new Scene();
    scene.write(seen('a', { generation: 2, spec: good }));
    const expected = ['default/web/one', ...KEPT];
    assert.deepEqual(scene.write(seen('a', { generation: 2, spec: other }, 4)), expected);
    assert.deepEqual(scene.write(seen('a', undefined, 5)), expected);
    assert.deepEqual(scene.write(seen('b', { generation: 2, spec: other }, 6)), ['default/web/two', ...KEPT]);
  });

  test('says which version that is', () => {
    const scene = new Scene();
    scene.write(seen('a', { generation: 2, spec: good }));
    const [verdict] = scene.inputs.envoyConfigs.values();
    assert.deepEqual(verdict?.good, { generation: 2, spec: good });
  });
});

describe('a change of a status alone', () => {
  test('has nothing judged again, and one of anything else has', () => {
    const scene = new Scene();
    const at = (cluster: string, generation: number, more: object = {}, status?: unknown) =>
      envoyConfigObject(config(cluster).spec, { name: 'web', uid: 'a', generation, ...more }, true, status);
    const verdictOn = (object: ReturnType<typeof at>) => {
      scene.write(object);
      return scene.inputs.envoyConfigs.values().next().value;
    };
    const first = verdictOn(at('one', 1));
    assert.equal(verdictOn(at('one', 1, {}, { conditions: [] })), first);
    assert.notEqual(verdictOn(at('one', 1, { annotations: { a: 'b' } })), first);
    assert.notEqual(verdictOn(at('two', 2)), first);
  });
});

describe('a config that an Envoy refuses', () => {
  const ROLLED_BACK = ['RejectedByEnvoy', 'LastGoodEnvoyConfig'];

  test('is what an Envoy took last, and told in its words', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.says('ack', 'one');
    scene.write(config('two'));
    assert.deepEqual(scene.says('nack', 'two', 'no such thing'), ['default/web/one', ...ROLLED_BACK]);
    const [verdict] = scene.inputs.envoyConfigs.values();
    const { message, path } = verdict?.diagnostics[0] ?? {};
    assert.match(message ?? '', /^Envoy "node" refused Cluster "default\/web\/two": no such thing$/);
    assert.deepEqual(path, ['spec', 'resources', 0]);
  });

  test('stays where no Envoy took anything before', () => {
    const scene = new Scene();
    scene.write(config('one'));
    assert.deepEqual(scene.says('nack', 'one'), ['default/web/one']);
    scene.write(config('two'));
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/two']);
  });

  test('is what an Envoy took, not what nobody took yet', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.says('ack', 'one');
    scene.write(config('two'));
    scene.write(config('three'));
    assert.deepEqual(scene.says('nack', 'three'), ['default/web/one', ...ROLLED_BACK]);
  });

  test('by one of several that take it is refused', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.says('ack', 'one');
    scene.write(config('two'));
    scene.says('ack', 'two');
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/one', ...ROLLED_BACK]);
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/one', ...ROLLED_BACK]);
  });

  test('is not tried again as it is, but when it is edited', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.says('ack', 'one');
    scene.write(config('two'));
    scene.says('nack', 'two');
    assert.deepEqual(scene.write(config('two')), ['default/web/one', ...ROLLED_BACK]);
    assert.deepEqual(scene.write(config('three')), ['default/web/three']);
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/three']);
    assert.deepEqual(scene.write(config('two')), ['default/web/two']);
  });

  test('is wrong by what was written last, while that is wrong', () => {
    const scene = new Scene();
    scene.write(config('one'));
    scene.says('ack', 'one');
    scene.write(config('two'));
    scene.says('nack', 'two');
    assert.deepEqual(scene.write(wrong()), ['default/web/one', ...KEPT]);
  });

  test('has nothing from one of its name that was there before', () => {
    const scene = new Scene();
    scene.write(config('one', 'a'));
    scene.says('ack', 'one');
    scene.write(config('two', 'b'));
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/two']);
  });

  test('is what its status remembers, where nobody here knew it before', () => {
    const scene = new Scene();
    const lastAccepted = { generation: 2, spec: config('one').spec };
    const { spec } = config('two');
    scene.write(envoyConfigObject(spec, { name: 'web', uid: 'a', generation: 3 }, true, { lastAccepted }));
    assert.deepEqual(scene.says('nack', 'two'), ['default/web/one', ...ROLLED_BACK]);
    const [verdict] = scene.inputs.envoyConfigs.values();
    assert.deepEqual(verdict?.good, lastAccepted);
  });
});

describe('a config that is tried', () => {
  const REFUSED = 'RefusedInDryRun';
  const LAST_GOOD = 'LastGoodEnvoyConfig';

  for (const kind of ['taken', 'untried'] as const) {
    test(`is served once it is ${kind}, and what was before until then`, () => {
      const scene = new Scene(true);
      assert.deepEqual(scene.write(config('one')), []);
      assert.deepEqual(scene.begin(), ['default/web/one']);
      assert.deepEqual(scene.begin(), []);
      assert.deepEqual(scene.end(kind), ['default/web/one']);
      assert.deepEqual(scene.write(config('two')), ['default/web/one']);
      scene.begin();
      assert.deepEqual(scene.end(kind), ['default/web/two']);
    });
  }

  test('is what it was before where it is refused, and not tried again as it is', () => {
    const scene = new Scene(true);
    scene.write(config('one'));
    scene.begin();
    scene.end('taken');
    scene.write(config('two'));
    scene.begin();
    assert.deepEqual(scene.end('refused'), ['default/web/one', REFUSED, LAST_GOOD]);
    assert.deepEqual(scene.write(config('two')), ['default/web/one', REFUSED, LAST_GOOD]);
    assert.deepEqual(scene.begin(), []);
    assert.deepEqual(scene.write(config('three')), ['default/web/one']);
    assert.deepEqual(scene.begin(), ['default/web/three']);
  });

  test('that is written again before that is over is served as it is by then, and later as it is now', () => {
    const scene = new Scene(true);
    scene.write(config('one'));
    scene.begin();
    scene.write(config('two'));
    assert.deepEqual(scene.begin(), ['default/web/two']);
    assert.deepEqual(scene.end('taken'), ['default/web/one']);
    assert.deepEqual(scene.end('taken'), ['default/web/two']);
  });

  test('that is written again is not told what was wrong before', () => {
    const scene = new Scene(true);
    scene.write(config('one'));
    scene.begin();
    scene.write(config('two'));
    scene.begin();
    assert.deepEqual(scene.end('refused'), []);
    assert.deepEqual(scene.end('taken'), ['default/web/two']);
  });

  test('needs no trial to be again what is served', () => {
    const scene = new Scene(true);
    scene.write(config('one'));
    scene.begin();
    scene.end('taken');
    scene.write(config('two'));
    scene.begin();
    assert.deepEqual(scene.write(config('one')), ['default/web/one']);
    assert.deepEqual(scene.begin(), []);
  });

  for (const [what, gone] of [
    ['gone', undefined],
    ['made anew', 'b'],
  ] as const) {
    test(`and is ${what} meanwhile leaves nothing`, () => {
      const scene = new Scene(true);
      scene.write(config('one', 'a'));
      scene.begin();
      if (gone === undefined) scene.remove(config('one', 'a'));
      else scene.write(config('two', gone));
      assert.deepEqual(scene.end('taken'), []);
    });
  }

  test('is meanwhile what its status remembers', () => {
    const scene = new Scene(true);
    const lastAccepted = { generation: 2, spec: config('one').spec };
    const { spec } = config('two');
    const object = envoyConfigObject(spec, { name: 'web', uid: 'a', generation: 3 }, true, { lastAccepted });
    assert.deepEqual(scene.write(object), ['default/web/one']);
    scene.begin();
    assert.deepEqual(scene.end('taken'), ['default/web/two']);
  });
});

/** As another replica, which leads, has found and written down. */
describe('a config of which a status says that an Envoy refuses it', () => {
  const TOLD = 'spec.resources[0]: Envoy "n1" refused it';
  const accepted = (generation: number) => ({ generation, spec: config('one').spec });
  const condition = (more: object = {}) => ({
    type: 'Accepted',
    status: 'False',
    reason: 'RejectedByEnvoy',
    message: `${TOLD}; what it said when it was right stays in force (generation 1)`,
    lastTransitionTime: '',
    observedGeneration: 2,
    ...more,
  });
  const written = (status: unknown, cluster = 'two', generation = 2) =>
    envoyConfigObject(config(cluster).spec, { name: 'web', uid: 'a', generation }, true, status);
  const refused = { conditions: [condition()], lastAccepted: accepted(1) };
  const AS_BEFORE = ['default/web/one', 'RejectedByEnvoy', 'LastGoodEnvoyConfig'];

  for (const [what, status, expected] of [
    ['is what it was before', refused, AS_BEFORE],
    ['of another version is what it is', { ...refused, conditions: [condition({ observedGeneration: 1 })] }, ['default/web/two']],
    ['for another reason is what it is', { ...refused, conditions: [condition({ reason: 'NameTaken' })] }, ['default/web/two']],
    ['in another condition is what it is', { ...refused, conditions: [condition({ type: 'Programmed' })] }, ['default/web/two']],
    ['and nothing better is what it is', { conditions: [condition()] }, ['default/web/two']],
    ['and is remembered itself is what it is', { ...refused, lastAccepted: accepted(2) }, ['default/web/two']],
    [
      'and remembers what is wrong is what it is',
      { ...refused, lastAccepted: { ...accepted(1), spec: wrong().spec } },
      ['default/web/two'],
    ],
  ] as const) {
    test(`${what}, when it is first seen and later`, () => {
      assert.deepEqual(new Scene().write(written(status)), expected);
      const later = new Scene();
      assert.deepEqual(later.write(written(undefined)), ['default/web/two']);
      assert.deepEqual(later.write(written(status)), expected);
    });
  }

  test('has its words, and is not tried', () => {
    const scene = new Scene(true);
    scene.write(written(refused));
    const [verdict] = scene.inputs.envoyConfigs.values();
    assert.deepEqual(
      verdict?.diagnostics.map(({ message }) => message),
      [TOLD, 'what it said when it was right stays in force'],
    );
    assert.deepEqual(scene.begin(), []);
  });

  test('stays so while others try it, until it is edited', () => {
    const scene = new Scene(true);
    scene.write(written(undefined));
    scene.begin();
    assert.deepEqual(scene.write(written(refused)), AS_BEFORE);
    assert.deepEqual(scene.end('taken'), AS_BEFORE);
    assert.deepEqual(scene.write(written(undefined)), AS_BEFORE);
    scene.write(written(refused, 'three', 3));
    scene.begin();
    assert.deepEqual(scene.end('taken'), ['default/web/three']);
  });
});
