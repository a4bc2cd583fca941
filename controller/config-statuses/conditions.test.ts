import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Diagnostic, FieldPath } from '../../model/index.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, SLOT_TYPE } from '../../xds-server/serve/index.ts';
import type { ConfigState, WantedResource } from '../pipeline/config-states.ts';
import { conditionsOf } from './conditions.ts';
import type { Progress } from './progress.ts';

const OBJECT = { kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'shop' };

function finding(code: string, path: FieldPath, message: string, severity: Diagnostic['severity'] = 'error'): Diagnostic {
  return { severity, code, message, path, object: OBJECT };
}

function wanted(typeUrl: string, qualifiedName: string, index: number, name = qualifiedName): WantedResource {
  return { typeUrl, name, version: '1', qualifiedName, source: { object: OBJECT, path: ['spec', 'resources', index] } };
}

const WEB = wanted(LISTENER_TYPE, 'default/shop/web', 0);
const OTHER = wanted(CLUSTER_TYPE, 'default/web', 3);
const FRONT = wanted(SLOT_TYPE, 'default/shop/front', 1, 'service/abc');
const GOOD: ConfigState = { generation: 4, diagnostics: [], good: { generation: 4, spec: {} }, wanted: [WEB] };
const DONE: Progress = { total: 3, programmed: 3, lackingCopies: 0, waiting: [], silent: 0, refused: [] };
const ACCEPTED = 'True Accepted: all of it can be served';
const RESOLVED = 'True ResolvedRefs: all that it names is there';
const PROGRAMMED = 'True Programmed: 3 of 3 nodes';
const WRONG = finding('InvalidEnvoyConfig', ['spec', 'resources', 0, 'name'], 'has no such value');
const UNKNOWN = finding('ReferenceNotFound', ['spec', 'resources', 1], 'there is no cluster "web"');
const KEPT = finding('LastGoodEnvoyConfig', ['spec'], 'what it said when it was right stays in force', 'warning');
const REFUSED = { resource: WEB, isCopy: false, message: ' cannot bind \n', nodes: ['n1'] };

function told(state: Partial<ConfigState>, progress: Partial<Progress> = {}, isTooLarge = false): readonly string[] {
  const conditions = conditionsOf({ ...GOOD, ...state }, { ...DONE, ...progress }, isTooLarge);
  assert.deepEqual(
    conditions.map(({ type, observedGeneration }) => [type, observedGeneration]),
    ['Accepted', 'ResolvedRefs', 'Programmed'].map((type) => [type, 4]),
  );
  return conditions.map(({ status, reason, message }) => `${status} ${reason}: ${message}`);
}

function without<K extends 'good'>(key: K): Omit<ConfigState, K> {
  const { [key]: _, ...rest } = GOOD;
  return rest;
}

describe('the conditions of a config', () => {
  const cases: readonly (readonly [what: string, found: readonly string[], expected: readonly string[]])[] = [
    ['nothing is wrong', told({}), [ACCEPTED, RESOLVED, PROGRAMMED]],
    [
      'it is wrong, and was right once',
      told({ diagnostics: [WRONG, KEPT], good: { generation: 2, spec: {} } }),
      [
        'False InvalidEnvoyConfig: spec.resources[0].name: has no such value; what it said when it was right stays in force (generation 2)',
        RESOLVED,
        'True Programmed: 3 of 3 nodes have what it said when it was right',
      ],
    ],
    [
      'it names what is not there',
      told({
        diagnostics: [
          finding('ServiceNotLed', ['spec', 'services', 0], 'Service default/a is not there', 'warning'),
          finding('BackendServiceNotFound', ['spec', 'backendServices', 1], 'Service default/b is not there', 'warning'),
        ],
      }),
      [
        ACCEPTED,
        'False ServiceNotLed: spec.services[0]: Service default/a is not there; spec.backendServices[1]: Service default/b is not there',
        PROGRAMMED,
      ],
    ],
    [
      'a listener of it is served to nobody',
      told({ diagnostics: [finding('ListenerWithoutAddress', ['spec', 'resources', 0], 'is left out', 'warning')] }),
      [ACCEPTED, RESOLVED, 'False ListenerWithoutAddress: spec.resources[0]: is left out'],
    ],
    [
      'kube-proxy has a part of what is asked',
      told({ diagnostics: [finding('OutsideNotLed', ['spec', 'services', 0], "that is kube-proxy's", 'info')] }),
      [ACCEPTED, RESOLVED, `${PROGRAMMED}; spec.services[0]: that is kube-proxy's`],
    ],
    [
      'some of it is refused where rules decide',
      told({ diagnostics: [finding('UnaskedTls', ['spec', 'resources', 1], 'writes a path', 'warning')] }),
      [`${ACCEPTED}; spec.resources[1]: writes a path`, RESOLVED, PROGRAMMED],
    ],
    ['nothing of it is for nodes', told({ wanted: [] }), [ACCEPTED, RESOLVED, 'True NothingToServe: it has no listener that is served']],
    [
      'there are no nodes',
      told({}, { total: 0, programmed: 0 }),
      [ACCEPTED, RESOLVED, 'Unknown NoNodes: no node that it is for has an agent'],
    ],
    [
      'nodes are still to come',
      told({}, { programmed: 1, waiting: ['n2', 'n3'] }),
      [ACCEPTED, RESOLVED, 'Unknown Pending: 1 of 3 nodes; not yet: n2, n3'],
    ],
    [
      'an Envoy refuses a part',
      told({}, { programmed: 2, refused: [REFUSED] }),
      [ACCEPTED, RESOLVED, 'False RejectedByEnvoy: 2 of 3 nodes; Envoy of node n1 refuses Listener "web" (spec.resources[0]): cannot bind'],
    ],
    [
      'Envoys refuse several parts',
      told(
        {},
        {
          programmed: 0,
          refused: [
            { ...REFUSED, resource: FRONT, nodes: ['n1', 'n2'] },
            { ...REFUSED, resource: OTHER },
          ],
        },
      ),
      [
        ACCEPTED,
        RESOLVED,
        'False RejectedByEnvoy: 0 of 3 nodes; Envoys of 2 nodes (n1, n2) refuse Listener "front" (spec.resources[1]): cannot bind; Envoy of node n1 refuses Cluster "default/web" (spec.resources[3]): cannot bind',
      ],
    ],
    [
      'an Envoy refuses a copy',
      told({}, { programmed: 2, lackingCopies: 1, refused: [{ ...REFUSED, resource: FRONT, isCopy: true }] }),
      [
        ACCEPTED,
        RESOLVED,
        'False RejectedByEnvoy: 2 of 3 nodes; Envoy of node n1 refuses a copy, which asks clients the rules of their policies, of Listener "front" (spec.resources[1]): cannot bind',
      ],
    ],
    [
      'it is too large to remember',
      told({}, {}, true),
      [
        `${ACCEPTED}; it is too large to be remembered while a later version is wrong and all controllers are started anew`,
        RESOLVED,
        PROGRAMMED,
      ],
    ],
  ];
  for (const [what, found, expected] of cases) test(what, () => assert.deepEqual(found, expected));

  test('it was never right', () => {
    const state = { ...without('good'), diagnostics: [WRONG, UNKNOWN], wanted: [] };
    const told = conditionsOf(state, { ...DONE, programmed: 0 }, false).map(({ reason, message }) => `${reason}: ${message}`);
    assert.deepEqual(told, [
      'InvalidEnvoyConfig: spec.resources[0].name: has no such value; spec.resources[1]: there is no cluster "web"; none of it is served',
      'ReferenceNotFound: spec.resources[1]: there is no cluster "web"',
      'NotAccepted: none of it is served',
    ]);
  });

  test('nobody counts its versions', () => {
    const { generation: _, ...state } = GOOD;
    assert.ok(conditionsOf(state, DONE, false).every((condition) => !('observedGeneration' in condition)));
  });
});

describe('a message', () => {
  const MAX = 32_768;
  const messageOf = (state: Partial<ConfigState>, progress: Partial<Progress>, index: number) =>
    conditionsOf({ ...GOOD, ...state }, { ...DONE, ...progress }, false)[index]?.message ?? '';

  test('has as many findings as there is room for, and says how many are left and what is served', () => {
    const diagnostics = Array.from({ length: 5_000 }, (_, index) => ({ ...WRONG, path: ['spec', 'resources', index] }));
    const message = messageOf({ diagnostics, good: { generation: 2, spec: {} } }, {}, 0);
    assert.ok(message.length < MAX, `${message.length}`);
    assert.match(message, /; and \d+ more; what it said when it was right stays in force \(generation 2\)$/);
    const shown = message.split('; ').filter((part) => part.startsWith('spec.resources')).length;
    assert.equal(shown + Number(/and (\d+) more/.exec(message)?.[1]), 5_000);
  });

  test('is cut where one finding alone is too long', () => {
    const message = messageOf({ diagnostics: [{ ...WRONG, message: 'x'.repeat(50_000) }] }, {}, 0);
    assert.ok(message.length < MAX && message.length > 30_000, `${message.length}`);
    assert.match(message, /stays in force \(generation 4\)$/);
  });

  test('names some nodes, and some of what they refuse, in so many words', () => {
    const nodes = Array.from({ length: 1_000 }, (_, index) => `node-${index}`);
    const refused = Array.from({ length: 9 }, () => ({ ...REFUSED, message: 'y'.repeat(5_000), nodes }));
    const message = messageOf({}, { refused }, 2);
    assert.ok(message.length < 6_500, `${message.length}`);
    assert.match(message, /Envoys of 1000 nodes \(node-0, node-1, node-2, node-3, node-4 and 995 more\) refuse/);
    assert.match(message, /; and 4 more$/);
    const waiting = messageOf({}, { programmed: 0, waiting: nodes }, 2);
    assert.match(waiting, /not yet: node-0, node-1, node-2, node-3, node-4 and 995 more$/);
  });
});
