import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatLabel, parseLabel, parseLabelKey } from './label.ts';
import { LabelFilter } from './label-filter.ts';
import { LabelSet } from './label-set.ts';
import { matches, type Operator, requireLabel, selectorKey } from './selector.ts';

const KEYS: readonly [text: string, source: string, key: string][] = [
  ['app', 'any', 'app'],
  ['any:app', 'any', 'app'],
  ['k8s:app', 'k8s', 'app'],
  ['reserved:host', 'reserved', 'host'],
  ['k8s:io.kubernetes.pod.namespace', 'k8s', 'io.kubernetes.pod.namespace'],
  ['odd:app', 'any', 'odd:app'],
  [':app', 'any', ':app'],
];

for (const [text, source, key] of KEYS) test(`the key ${text}`, () => assert.deepEqual(parseLabelKey(text), { source, key }));

const LABELS: readonly [text: string, formatted: string][] = [
  ['app=web', 'k8s:app=web'],
  ['k8s:app=a=b', 'k8s:app=a=b'],
  ['k8s:app', 'k8s:app='],
  ['reserved:host', 'reserved:host'],
  ['cidr:10.0.0.0/8', 'cidr:10.0.0.0/8'],
];

for (const [text, formatted] of LABELS) test(`the label ${text}`, () => assert.equal(formatLabel(parseLabel(text)), formatted));

const FILTERED: readonly [key: string, isIncluded: boolean][] = [
  ['app', true],
  ['app.kubernetes.io/name', true],
  ['io.kubernetes.pod.namespace', true],
  ['io.kubernetes.pod.name', false],
  ['io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name', true],
  ['io.cilium.k8s.policy.serviceaccount', true],
  ['kubernetes.io/arch', false],
  ['beta.kubernetes.io/arch', false],
  ['topology.beta.kubernetes.io/zone', false],
  ['k8s.io/x', false],
  ['statefulset.kubernetes.io/pod-name', false],
  ['apps.kubernetes.io/pod-index', false],
  ['batch.kubernetes.io/job-completion-index', false],
  ['batch.kubernetes.io/controller-uid', false],
  ['batch.kubernetes.io/job-name', true],
  ['io.cilium.k8s.policy.cluster', true],
  ['io.cilium.k8s.policy.other', true],
  ['io.kubernetes.container.name', false],
  ['alpha.kubernetes.io/x', true],
  ['pod-template-generation', false],
  ['etcd_node', false],
  ['controller', true],
  ['pod-template', true],
  ['annotation', false],
  ['not-an-annotation', true],
  ['pod-template-hash', false],
  ['controller-revision-hash', false],
  ['controller-uid', false],
  ['annotation.x', false],
  ['my.kubernetes.io/x', true],
];

describe('the label filter', () => {
  const filter = new LabelFilter();
  for (const [key, isIncluded] of FILTERED) {
    test(`${isIncluded ? 'keeps' : 'leaves out'} ${key}`, () => assert.equal(filter.includes('k8s', key), isIncluded));
  }
  test('of its users, the longest match wins', () => {
    const own = new LabelFilter(['!app', 'k8s:app-kind']);
    assert.deepEqual(
      ['app', 'app-kind', 'other', 'io.kubernetes.pod.namespace'].map((key) => own.includes('k8s', key)),
      [false, true, false, true],
    );
  });
  test('of its users that only exclude, all else stays', () => {
    const own = new LabelFilter(['!app']);
    assert.deepEqual(
      ['app', 'other'].map((key) => own.includes('k8s', key)),
      [false, true],
    );
  });
  test('an expression that is none is a mistake of the program', () => assert.throws(() => new LabelFilter(['(']), SyntaxError));
});

const web = new LabelSet([parseLabel('app=web'), parseLabel('k8s:tier='), parseLabel('reserved:init')]);
const ASKED: readonly [key: string, operator: Operator, values: readonly string[], isMatch: boolean][] = [
  ['app', 'In', ['db', 'web'], true],
  ['k8s:app', 'In', ['web'], true],
  ['reserved:app', 'In', ['web'], false],
  ['app', 'NotIn', ['web'], false],
  ['app', 'NotIn', ['db'], true],
  ['none', 'NotIn', ['db'], true],
  ['tier', 'In', [''], true],
  ['tier', 'Exists', [], true],
  ['none', 'Exists', [], false],
  ['none', 'DoesNotExist', [], true],
  ['reserved:init', 'Exists', [], true],
  ['init', 'Exists', [], true],
  ['k8s:init', 'Exists', [], false],
];

describe('a selector', () => {
  for (const [key, operator, values, isMatch] of ASKED) {
    test(`${key} ${operator} ${values.join()}`, () => {
      assert.equal(matches({ requirements: [requireLabel(parseLabelKey(key), operator, values)] }, web), isMatch);
    });
  }
  test('without requirements has all', () => assert.equal(matches({ requirements: [] }, web), true));
  test('has the same key in whatever order it is written', () => {
    const a = requireLabel(parseLabelKey('app'), 'In', ['x', 'y', 'x']);
    const b = requireLabel(parseLabelKey('tier'), 'Exists');
    assert.equal(selectorKey({ requirements: [a, b] }), selectorKey({ requirements: [b, requireLabel(a, 'In', ['y', 'x'])] }));
    assert.notEqual(selectorKey({ requirements: [a] }), selectorKey({ requirements: [b] }));
  });
});
