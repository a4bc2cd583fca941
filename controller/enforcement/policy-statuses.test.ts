import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CiliumNetworkPolicy, refOf } from '../../kube/index.ts';
import type { Diagnostic, FieldPath } from '../../model/index.ts';
import { viewOf } from '../../policy/testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf } from '../../policy/testing/manifests.ts';
import { PolicyStatuses } from './policy-statuses.ts';

const KINDS = new Set(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy']);
const NOW = new Date('2026-02-03T04:05:06.789Z');
const TIME = '2026-02-03T04:05:06Z';
const BEFORE = '2026-01-01T00:00:00Z';
const KEY = 'status:CiliumNetworkPolicy/default/policy';
const VALID = { type: 'Valid', status: 'True', reason: 'Valid', message: 'Policy validation succeeded' };
const ENFORCEABLE = { type: 'sluice.io/Enforceable', status: 'True', reason: 'Enforceable', message: 'all rules can be enforced' };

function policy(more: { readonly uid?: string; readonly conditions?: unknown; readonly plain?: object } = {}): CiliumNetworkPolicy {
  const { uid = 'uid-1', conditions, plain = ciliumPolicyOf({ endpointSelector: {}, ingress: [] }) } = more;
  const metadata = { name: 'policy', ...Reflect.get(plain, 'metadata'), uid };
  const object = viewOf({ ...plain, metadata, ...(conditions !== undefined && { status: { conditions } }) });
  assert.equal(object.kind === 'CiliumNetworkPolicy' || object.kind === 'CiliumClusterwideNetworkPolicy', true);
  return object as CiliumNetworkPolicy;
}

function finding(code: string, path: FieldPath, message: string, severity: Diagnostic['severity'] = 'error'): Diagnostic {
  return { severity, code, message, path, object: refOf(policy()) };
}

function statuses(): PolicyStatuses {
  const made = new PolicyStatuses(() => NOW);
  made.setKinds(KINDS);
  return made;
}

function conditionsOf({ status }: { readonly [field: string]: unknown }): unknown {
  return typeof status === 'object' && status !== null && 'conditions' in status ? status.conditions : undefined;
}

/** The conditions that are to be written, by the key of their action; undefined for an action that is gone. */
function taken(from: PolicyStatuses): Readonly<Record<string, unknown>> {
  return Object.fromEntries(from.takeActions().map(([key, action]) => [key, action && conditionsOf(action.manifest)]));
}

const stamped = (...conditions: readonly object[]) => conditions.map((condition) => ({ ...condition, lastTransitionTime: TIME }));

const INVALID = finding('InvalidPolicy', ['spec', 'ingress', 0, 'fromCIDR', 0], 'must be a prefix');
const LAYER7 = finding('NeedsLayer7', ['spec', 'ingress', 0, 'toPorts', 0, 'rules'], 'needs layer 7');
const RULE = finding('InvalidLayer7Rule', ['spec', 'ingress', 0, 'toPorts', 0, 'rules', 'http', 1, 'path'], 'is not understood');
const RULE_MESSAGE = 'spec.ingress[0].toPorts[0].rules.http[1].path: is not understood';
const NAMES = finding('PeerNotEnforced', ['spec', 'egress', 0, 'toFQDNs'], 'cannot be told yet');
const CASES: readonly (readonly [what: string, findings: readonly Diagnostic[], conditions: readonly object[]])[] = [
  ['nothing is wrong', [], [VALID, ENFORCEABLE]],
  ['something is worth knowing', [finding('NamespaceIgnored', ['spec'], 'names a namespace', 'warning')], [VALID, ENFORCEABLE]],
  [
    'a field is wrong',
    [INVALID, LAYER7],
    [
      { type: 'Valid', status: 'False', reason: 'Invalid', message: 'spec.ingress[0].fromCIDR[0]: must be a prefix' },
      { ...ENFORCEABLE, status: 'False', reason: 'Invalid', message: 'it allows nothing; what it selects is isolated' },
    ],
  ],
  [
    'a rule of layer 7 is wrong',
    [RULE],
    [
      { ...VALID, status: 'False', reason: 'Invalid', message: RULE_MESSAGE },
      { ...ENFORCEABLE, status: 'False', reason: 'InvalidLayer7Rule', message: RULE_MESSAGE },
    ],
  ],
  [
    'a rule of layer 7 is wrong in a policy that allows nothing',
    [INVALID, RULE],
    [
      { ...VALID, status: 'False', reason: 'Invalid', message: `spec.ingress[0].fromCIDR[0]: must be a prefix; ${RULE_MESSAGE}` },
      { ...ENFORCEABLE, status: 'False', reason: 'Invalid', message: 'it allows nothing; what it selects is isolated' },
    ],
  ],
  [
    'rules are not enforced yet',
    [LAYER7, NAMES],
    [
      VALID,
      {
        ...ENFORCEABLE,
        status: 'False',
        reason: 'NeedsLayer7',
        message: 'spec.ingress[0].toPorts[0].rules: needs layer 7; spec.egress[0].toFQDNs: cannot be told yet',
      },
    ],
  ],
];
for (const [what, findings, conditions] of CASES) {
  test(`a policy is told once, where ${what}`, () => {
    const all = statuses();
    all.put(policy());
    all.setFindings(findings);
    const [[key, action] = []] = all.takeActions();
    assert.equal(key, KEY);
    assert.deepEqual(action, {
      kind: 'status',
      ref: refOf(policy()),
      uid: 'uid-1',
      manifest: {
        apiVersion: 'cilium.io/v2',
        kind: 'CiliumNetworkPolicy',
        metadata: { name: 'policy', namespace: 'default' },
        status: { conditions: stamped(...conditions) },
      },
    });
    assert.deepEqual(taken(all), {});
    all.put(policy({ conditions: stamped(...conditions) }));
    assert.deepEqual(taken(all), { [KEY]: undefined });
    all.put(policy({ conditions: stamped(...conditions) }));
    all.setFindings([...findings]);
    assert.deepEqual(taken(all), {});
  });
}

test('what changes is told, and the time stays where the status does', () => {
  const all = statuses();
  const old = [VALID, ENFORCEABLE].map((condition) => ({ ...condition, lastTransitionTime: BEFORE }));
  all.put(policy({ conditions: old }));
  assert.deepEqual(taken(all), {});
  all.setFindings([LAYER7]);
  const [told] = Object.values(taken(all));
  assert.partialDeepStrictEqual(told, [
    { ...VALID, lastTransitionTime: BEFORE },
    { status: 'False', lastTransitionTime: TIME },
  ]);
  all.setFindings([]);
  assert.deepEqual(taken(all), { [KEY]: undefined });
});

test("what Cilium's operator wrote is taken over where it says something else, and left where it says the same", () => {
  const all = statuses();
  const { reason: _, ...ofCilium } = VALID;
  all.put(policy({ conditions: [{ ...ofCilium, lastTransitionTime: BEFORE }, ...stamped(ENFORCEABLE)] }));
  assert.deepEqual(taken(all), {});
  all.put(policy({ conditions: [{ type: 'Valid', status: 'False', message: 'something else' }, ...stamped(ENFORCEABLE)] }));
  assert.deepEqual(taken(all), { [KEY]: stamped(VALID, ENFORCEABLE) });
});

test('a status that cannot be read is written anew', () => {
  const all = statuses();
  all.put(policy({ conditions: 'none' }));
  assert.deepEqual(taken(all), { [KEY]: stamped(VALID, ENFORCEABLE) });
});

test('kinds without room for conditions are told nothing', () => {
  const all = new PolicyStatuses(() => NOW);
  all.put(policy());
  all.put(policy({ plain: clusterwidePolicyOf({ endpointSelector: {}, ingress: [] }) }));
  assert.deepEqual(taken(all), {});
  all.setKinds(new Set(['CiliumClusterwideNetworkPolicy']));
  assert.deepEqual(Object.keys(taken(all)), ['status:CiliumClusterwideNetworkPolicy//policy']);
  all.setKinds(KINDS);
  assert.deepEqual(Object.keys(taken(all)).sort(), ['status:CiliumClusterwideNetworkPolicy//policy', KEY]);
  all.setKinds(new Set());
  assert.deepEqual(taken(all), { 'status:CiliumClusterwideNetworkPolicy//policy': undefined, [KEY]: undefined });
});

test('a policy that is gone is told nothing; another of its name is another', () => {
  const all = statuses();
  all.put(policy());
  all.takeActions();
  all.delete(refOf(policy()));
  assert.deepEqual(taken(all), { [KEY]: undefined });
  all.put(policy({ uid: 'uid-2' }));
  const [[, action] = []] = all.takeActions();
  assert.equal(action?.uid, 'uid-2');
});
