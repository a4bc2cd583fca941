import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refOf } from '../kube/index.ts';
import type { Slot } from '../model/index.ts';
import { type PolicyChange, PolicyEngine } from './index.ts';
import type { PlainObject } from './oracle/objects.ts';
import { viewOf } from './testing/compile.ts';
import { ciliumPolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

const WORLD = [
  namespace('default'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }),
  pod('near', '10.244.0.3', { app: 'near' }),
];

const near = { fromEndpoints: [{ matchLabels: { app: 'near' } }] };
const port80 = { port: '80', protocol: 'TCP' };

function asking(http: readonly object[], more: object = near, ports: readonly object[] = [port80]): object {
  return { ...more, toPorts: [{ ports, rules: { http } }] };
}

function policyOf(...ingress: readonly object[]): PlainObject {
  return ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'web' } }, ingress });
}

function begin(...policies: readonly PlainObject[]): { readonly engine: PolicyEngine; readonly first: PolicyChange } {
  const engine = new PolicyEngine();
  for (const object of [...WORLD, ...policies]) engine.put(viewOf(object));
  return { engine, first: engine.flush() };
}

function change(engine: PolicyEngine, ...policies: readonly PlainObject[]): PolicyChange {
  for (const policy of policies) engine.put(viewOf(policy));
  return engine.flush();
}

function only({ slots }: PolicyChange): Slot {
  const [slot, ...others] = slots.upserts;
  assert.ok(slot);
  assert.deepEqual([others, slots.removals], [[], []]);
  return slot;
}

const GET = asking([{ method: 'GET' }]);

describe('the name of a slot', () => {
  const { first } = begin(policyOf(GET));
  const { name } = only(first);

  test('tells its kind and direction', () => assert.match(name, /^http\/ingress\/[\w-]{22}$/));

  const KEEPING: readonly (readonly [what: string, ...rules: readonly object[]])[] = [
    ['another rule in the place of one', asking([{ method: 'PUT' }])],
    ['one more rule', asking([{ method: 'GET' }, { path: '/a' }])],
    ['no rule that is right', asking([{ path: '(' }])],
    ['its rules in two places', GET, asking([{ method: 'PUT' }])],
    ['another place', { fromEntities: ['world'] }, GET],
    ['a port that is there twice', asking([{ method: 'GET' }], near, [port80, port80])],
    ['a peer that is there twice', asking([{ method: 'GET' }], { fromEndpoints: [...near.fromEndpoints, ...near.fromEndpoints] })],
  ];
  for (const [what, ...rules] of KEEPING) {
    test(`stays with ${what}`, () => {
      const { engine } = begin(policyOf(GET));
      const after = change(engine, policyOf(...rules));
      assert.deepEqual(after.slots.removals, []);
      assert.ok(engine.slot(name));
    });
  }

  const CHANGING: readonly (readonly [what: string, ...policies: readonly PlainObject[]])[] = [
    ['another port', policyOf(asking([{ method: 'GET' }], near, [{ port: '81', protocol: 'TCP' }]))],
    ['another peer', policyOf(asking([{ method: 'GET' }], { fromEntities: ['world'] }))],
    ['server names in place of requests', policyOf({ ...near, toPorts: [{ ports: [port80], serverNames: ['a.example'] }] })],
    ['rules of another policy besides', policyOf(GET), { ...policyOf(GET), metadata: { name: 'more', namespace: 'default' } }],
    ['something that allows everything besides', policyOf(GET, near)],
  ];
  for (const [what, ...policies] of CHANGING) {
    test(`changes with ${what}`, () => {
      const { engine } = begin(policyOf(GET));
      const after = change(engine, ...policies);
      assert.deepEqual(after.slots.removals, [name]);
      assert.equal(after.slots.upserts.length, 1);
      assert.equal(engine.slot(name), undefined);
    });
  }

  test('of a rule set in a list stays where the list is written in another order', () => {
    const others = { endpointSelector: { matchLabels: { app: 'near' } }, ingress: [asking([{ method: 'PUT' }], {})] };
    const own = { endpointSelector: { matchLabels: { app: 'web' } }, ingress: [asking([{ method: 'GET' }], {})] };
    const listOf = (...specs: readonly object[]) => ({ ...ciliumPolicyOf(undefined), specs });
    const { engine, first: before } = begin(listOf(own, others));
    assert.equal(before.slots.upserts.length, 4);
    const after = change(engine, listOf(others, own));
    assert.deepEqual(after.slots.removals, []);
    assert.deepEqual(
      after.slots.upserts.map((slot) => slot.name),
      before.slots.upserts.map((slot) => slot.name),
    );
  });
});

describe('what is told of slots', () => {
  test('a rule that is edited changes its slot and no verdict', () => {
    const { engine, first } = begin(policyOf(GET));
    const before = only(first);
    const after = change(engine, policyOf(asking([{ method: 'PUT' }])));
    assert.deepEqual(after.policies, { upserts: [], removals: [] });
    const now = only(after);
    assert.equal(now.name, before.name);
    assert.deepEqual(now.rules.kind === 'http' && now.rules.rules.map(({ method }) => method?.regex), ['PUT']);
  });

  test('nothing, where nothing of them has changed, and they stay the same object', () => {
    const { engine, first } = begin(policyOf(GET));
    const { name } = only(first);
    const before = engine.slot(name);
    const beside = networkPolicyOf({ podSelector: { matchLabels: { app: 'near' } } }, 'beside');
    const after = change(engine, policyOf(GET), pod('third', '10.244.0.4', { app: 'near' }), beside);
    assert.deepEqual(after.slots, { upserts: [], removals: [] });
    assert.equal(engine.slot(name), before);
  });

  test('a slot comes with the first verdict that names it, and goes with the last', () => {
    const { engine, first } = begin();
    assert.deepEqual(first.slots, { upserts: [], removals: [] });
    const added = change(engine, policyOf(GET));
    const { name } = only(added);
    const decisions = added.policies.upserts.flatMap(({ ingress }) => ingress.verdicts.map(({ decision }) => decision));
    assert.deepEqual(decisions, [{ kind: 'allow' }, { kind: 'slot', slot: name }]);
    engine.delete(refOf(viewOf(policyOf(GET))));
    const removed = engine.flush();
    assert.deepEqual(removed.slots, { upserts: [], removals: [name] });
    assert.equal(removed.policies.upserts.length, 1);
  });

  test('a slot of a policy that selects no pod, or whose peers nobody is, is none', () => {
    const { engine, first } = begin(policyOf(asking([{ method: 'GET' }], { fromEndpoints: [{ matchLabels: { app: 'nobody' } }] })));
    assert.deepEqual(first.slots.upserts, []);
    const came = change(engine, pod('nobody', '10.244.0.9', { app: 'nobody' }));
    const { name } = only(came);
    engine.delete({ kind: 'Pod', namespace: 'default', name: 'nobody' });
    assert.deepEqual(engine.flush().slots.removals, [name]);
  });

  test('what allows everything is told, and no other slot comes of who does', () => {
    const { engine, first } = begin(policyOf(GET, near));
    const { name, allowsAll } = only(first);
    assert.deepEqual(
      allowsAll.map(({ path }) => path.join('.')),
      ['spec.ingress.1'],
    );
    const allowing = {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'near' } } }] }],
    };
    const after = only(change(engine, networkPolicyOf(allowing, 'open')));
    assert.equal(after.name, name);
    assert.deepEqual(
      after.allowsAll.map(({ object }) => object.kind),
      ['CiliumNetworkPolicy', 'NetworkPolicy'],
    );
  });

  test('what is edited is in force for peers that come later', () => {
    const { engine, first } = begin(policyOf(GET, { fromEntities: ['host'] }));
    const { name } = only(first);
    change(engine, policyOf(asking([{ method: 'PUT' }]), { fromEntities: ['host'] }));
    const came = change(engine, pod('third', '10.244.0.4', { app: 'near', tier: 'front' }));
    assert.deepEqual(came.slots, { upserts: [], removals: [] });
    const { rules } = engine.slot(name) ?? {};
    assert.deepEqual(rules?.kind === 'http' && rules.rules.map(({ method }) => method?.regex), ['PUT']);
    engine.delete({ kind: 'Pod', namespace: 'default', name: 'near' });
    assert.deepEqual(engine.flush().slots, { upserts: [], removals: [] });
    engine.delete({ kind: 'Pod', namespace: 'default', name: 'third' });
    assert.deepEqual(engine.flush().slots, { upserts: [], removals: [name] });
  });

  test('a conflict is told of, and no longer once it is solved', () => {
    const names = {
      ...policyOf({ ...near, toPorts: [{ ports: [port80], serverNames: ['a.example'] }] }),
      metadata: { name: 'names', namespace: 'default' },
    };
    const { engine, first } = begin(policyOf(GET), names);
    assert.deepEqual(only(first).rules, { kind: 'tls', rules: [] });
    assert.deepEqual(
      first.diagnostics?.map(({ code, object }) => [code, object?.name]),
      [
        ['ConflictingLayer7', 'names'],
        ['ConflictingLayer7', 'policy'],
      ],
    );
    engine.delete(refOf(viewOf(names)));
    assert.deepEqual(engine.flush().diagnostics, []);
  });

  test('the largest program of a pattern is what the engine is told', () => {
    const policy = viewOf(policyOf(asking([{ path: '/[a-z]{50}' }])));
    const codes = [10, 1_000].map((regexMaxProgramSize) => {
      const engine = new PolicyEngine({ regexMaxProgramSize });
      engine.put(policy);
      return engine.flush().diagnostics?.map(({ code }) => code) ?? [];
    });
    assert.deepEqual(codes, [['InvalidLayer7Rule'], []]);
  });
});
