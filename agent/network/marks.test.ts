import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { INGRESS_MARKS, LED_MARK, LEG_MARKS, OPENED_FOR_INGRESSES, OPENED_FOR_PODS } from './index.ts';
import { OUR_MARK_BITS } from './mark-bits.ts';

const PROGRAMS = ['proxy', 'marks']
  .map((name) => readFileSync(new URL(`../../bpf/programs/${name}.h`, import.meta.url), 'utf8'))
  .join('\n');

const ASKS_LISTENER = 0xd05;

/** How the kernel's programs name them. */
const NAMES = [
  ['MARK_TO_SOCKET', LEG_MARKS.toEnvoy],
  ['MARK_EGRESS_LISTENER', LEG_MARKS.egressListener],
  ['MARK_INGRESS_LISTENER', LEG_MARKS.ingressListener],
  ['MARK_EGRESS_UPSTREAM', LEG_MARKS.egressUpstream],
  ['MARK_INGRESS_UPSTREAM', LEG_MARKS.ingressUpstream],
  ['MARK_INGRESS', INGRESS_MARKS.client],
  ['MARK_INGRESS_SERVER', INGRESS_MARKS.server],
  ['MARK_FOR_CLIENT', OPENED_FOR_PODS.mark],
  ['MARK_FOR_CLIENT_BITS', OPENED_FOR_PODS.mask],
  ['MARK_ASKS_LISTENER', ASKS_LISTENER],
] as const;

test('marks of legs are those that the kernel’s programs know', () => {
  for (const [name, mark] of NAMES) {
    const [, value] = new RegExp(`^#define ${name} (0x[0-9a-f]+)$`, 'm').exec(PROGRAMS) ?? [];
    assert.equal(Number(value), mark, name);
  }
});

test('what a process of the node asks of a listener is led as what is led to a slot, and nothing that Envoy opened', () => {
  assert.equal(ASKS_LISTENER & LED_MARK.mask, LED_MARK.mark);
  for (const { mark, mask } of [OPENED_FOR_INGRESSES, OPENED_FOR_PODS]) assert.notEqual(ASKS_LISTENER & mask, mark);
});

test('marks of legs differ in the bits that say which leg, and are within those that are ours', () => {
  const { mask, ...legs } = LEG_MARKS;
  const all = Object.values(legs);
  assert.equal(new Set(all.map((mark) => mark & mask)).size, all.length);
  for (const mark of all) assert.equal(mark & ~OUR_MARK_BITS, 0);
});
