import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Slot } from '../../model/index.ts';
import { translateSlot } from './index.ts';
import { SLOT_OPTIONS } from './testing/slot-scene.ts';
import { httpSlot, type RuleText, tlsSlot } from './testing/slots.ts';

const egress = (rules: readonly RuleText[]): Slot => ({ ...httpSlot('a', rules), direction: 'egress' });
const SECRET = { kind: 'secret', namespace: 'default', name: 'token', key: '' } as const;

for (const [what, slot, asksOnce] of [
  ['methods, paths and hosts', egress([{ method: 'GET', path: '/a', host: 'b' }]), true],
  ['nothing', egress([]), true],
  ['headers of the request', egress([{ headers: [{ name: 'x-a', value: { kind: 'literal', text: 'b' }, mismatch: 'deny' }] }]), true],
  ['headers of which the listener has made its own', egress([{ headers: [{ name: 'x-request-id', mismatch: 'deny' }] }]), false],
  ['values of Secrets', egress([{ headers: [{ name: 'x-a', value: SECRET, mismatch: 'deny' }] }]), false],
  ['headers that they change', egress([{}, { headers: [{ name: 'x-a', mismatch: 'replace' }] }]), false],
  ['headers that they log', egress([{ headers: [{ name: 'x-a', mismatch: 'log' }] }]), false],
] as const) {
  test(`rules about ${what} are asked in listeners of configs, ${asksOnce ? 'which is' : 'and again of what these send: that is not'} enough`, () => {
    const translated = translateSlot(slot, SLOT_OPTIONS);
    assert.ok(translated.asked && translated.asked.length > 0);
    assert.equal(translated.asksOnce, asksOnce);
  });
}

for (const [what, slot] of [
  ['what comes to pods', httpSlot('a', [])],
  ['what comes to Ingresses', { ...httpSlot('a', []), ofIngresses: true }],
  ['server names', tlsSlot('a', ['b'])],
] as const) {
  test(`rules about ${what} are not asked there`, () => {
    const { asked, asksOnce } = translateSlot(slot, SLOT_OPTIONS);
    assert.deepEqual([asked, asksOnce], [undefined, undefined]);
  });
}
