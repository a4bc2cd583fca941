import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDecision, parseDecision } from './decision.ts';

const policy = (name: string, namespace = 'shop') => ({ object: { kind: 'CiliumNetworkPolicy', namespace, name } });

test('by whose rules something passed is read as it was written, each once and sorted', () => {
  const text = formatDecision('ingress', [policy('web'), policy('api'), policy('web')]);
  assert.equal(text, 'ingress CiliumNetworkPolicy/shop/api CiliumNetworkPolicy/shop/web');
  assert.deepEqual(parseDecision(text), { direction: 'ingress', by: [policy('api').object, policy('web').object] });
});

test('objects without a namespace, and none at all', () => {
  assert.deepEqual(parseDecision(formatDecision('egress', [policy('all', '')]))?.by, [policy('all', '').object]);
  assert.deepEqual(parseDecision(formatDecision('egress', [])), { direction: 'egress', by: [] });
});

test('is never long', () => {
  const many = Array.from({ length: 1000 }, (_, index) => policy(`p${index}`));
  assert.equal(parseDecision(formatDecision('egress', many))?.by.length, 8);
});

test('what another has written is none', () => {
  for (const text of ['', 'allow', 'several-hosts', 'ingresses a/b/c']) assert.equal(parseDecision(text), undefined, text);
});
