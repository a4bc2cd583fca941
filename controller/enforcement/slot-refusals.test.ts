import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Diagnostic, type FieldPath, formatPath, type Slot } from '../../model/index.ts';
import {
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  type Outcome,
  OWN_COPIES_PREFIX,
  OWN_LISTENER_PREFIX,
} from '../../xds-server/serve/index.ts';
import { SlotRefusals } from './slot-refusals.ts';

const NAME = 'http/ingress/a';
const LISTENER = `${OWN_LISTENER_PREFIX}${NAME}`;
const field = (name: string, ...path: FieldPath) => ({
  object: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name },
  path: ['spec', 'ingress', 0, ...path],
});
const SLOT: Slot = {
  name: NAME,
  direction: 'ingress',
  rules: {
    kind: 'http',
    rules: [
      { headers: [], path: { regex: '/a.{900}', source: field('api', 'http', 0, 'path') }, source: field('api', 'http', 0) },
      { headers: [], source: field('api', 'http', 1) },
      { headers: [], source: field('web', 'http', 4) },
    ],
  },
  allowsAll: [],
};

function outcome(more: Partial<Outcome>): Outcome {
  return {
    nodeId: 'n1',
    typeUrl: EXTENSION_CONFIG_TYPE,
    name: NAME,
    version: '1',
    removed: false,
    outcome: 'nack',
    message: 'no',
    ...more,
  };
}

class World {
  /** What is published of anything. */
  version = '1';
  readonly refusals = new SlotRefusals(() => this.version);

  get told(): readonly string[] {
    return this.diagnostics.map(({ object, path, message }) => `${object?.name} ${formatPath(path)}: ${message}`);
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.refusals.diagnostics((name) => (name === NAME ? SLOT : undefined));
  }
}

const FILTER = `the filter of slot ${NAME}, so it keeps what it had`;
const DROPPED = `the listener of slot ${NAME}, so what these rules decide of is dropped there`;

test('a filter that is refused is told to each policy, until the next is accepted', () => {
  const world = new World();
  assert.ok(world.refusals.note(outcome({})));
  const told = [
    `api spec.ingress[0].http: Envoy of node n1 refuses ${FILTER}: no`,
    `web spec.ingress[0].http[4]: Envoy of node n1 refuses ${FILTER}: no`,
  ];
  assert.deepEqual(world.told, told);
  assert.deepEqual(new Set(world.diagnostics.map(({ code, severity }) => `${severity} ${code}`)), new Set(['error RejectedByEnvoy']));
  world.refusals.note(outcome({ version: '0', outcome: 'ack', message: '' }));
  assert.deepEqual(world.told, told, 'what takes its place is accepted');
  world.version = '2';
  world.refusals.note(outcome({ version: '2', outcome: 'ack', message: '' }));
  assert.deepEqual(world.told, []);
});

test('what was published since is not refused yet', () => {
  const world = new World();
  world.refusals.note(outcome({}));
  world.version = '2';
  assert.deepEqual(world.told, []);
});

test('a field that Envoy quotes is named', () => {
  const world = new World();
  const message = "regex '/a.{900}' RE2 program size of 904 > max program size of 100 set for the error level threshold.";
  world.refusals.note(outcome({ message }));
  assert.deepEqual(world.told, [`api spec.ingress[0].http[0].path: Envoy of node n1 refuses ${FILTER}: ${message}`]);
});

test('listeners of a node are told of by its agent, and of several nodes the number', () => {
  const world = new World();
  world.refusals.tell('n2', new Map([[LISTENER, 'two']]));
  world.refusals.tell('n1', new Map([[LISTENER, 'one']]));
  const [first] = world.told;
  assert.equal(first, `api spec.ingress[0].http: Envoys of 2 nodes, n1 among them, refuse ${DROPPED}: one`);
  world.refusals.tell('n1', new Map());
  assert.equal(world.told[0], `api spec.ingress[0].http: Envoy of node n2 refuses ${DROPPED}: two`);
  world.refusals.forget('n2');
  assert.deepEqual(world.told, []);
  world.refusals.tell('n3', new Map([[NAME, 'no']]));
  world.refusals.note(outcome({ nodeId: 'n3' }));
  assert.equal(world.told[0], `api spec.ingress[0].http: Envoy of node n3 refuses ${FILTER}: no`, 'who is told twice counts once');
});

test('a listener of this process is one of a slot, others are none, and slots that are gone are told nobody', () => {
  const world = new World();
  assert.ok(!world.refusals.note(outcome({ typeUrl: LISTENER_TYPE, name: 'http' })));
  world.refusals.note(outcome({ name: 'http/ingress/gone' }));
  assert.deepEqual(world.told, []);
  assert.ok(world.refusals.note(outcome({ typeUrl: LISTENER_TYPE, name: LISTENER })));
  assert.equal(world.told[0], `api spec.ingress[0].http: Envoy of node n1 refuses ${DROPPED}: no`);
});

test('a listener of a config that is refused, or a copy of it, is told of where it stands', () => {
  const world = new World();
  const name = 'service/a';
  const source = { object: { kind: 'CiliumEnvoyConfig', namespace: 'shop', name: 'web' }, path: ['spec', 'resources', 1] };
  const told = () =>
    world.refusals
      .diagnostics(
        () => undefined,
        (slot) => (slot === name ? source : undefined),
      )
      .map(({ object, path, message }) => [object?.name, formatPath(path), message]);
  assert.ok(world.refusals.note(outcome({ typeUrl: LISTENER_TYPE, name: `${OWN_LISTENER_PREFIX}${name}` })));
  const ofListener = ['web', 'spec.resources[1]', 'Envoy of node n1 refuses the listener, so Services are not led to it: no'];
  assert.deepEqual(told(), [ofListener]);
  world.refusals.tell('n2', new Map([[`${OWN_COPIES_PREFIX}${name}`, 'never']]));
  const asks =
    'a copy of the listener that asks clients the rules of their policies, so these meet the listener itself, which asks them nothing';
  assert.deepEqual(told(), [ofListener, ['web', 'spec.resources[1]', `Envoy of node n2 refuses ${asks}: never`]]);
});
