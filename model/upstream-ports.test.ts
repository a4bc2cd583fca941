import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { UPSTREAM_PORTS } from './index.ts';

const PROGRAMS = readFileSync(new URL('../bpf/programs/proxy.h', import.meta.url), 'utf8');

test('ports of what Envoy opens are ranges of one size, one after the other, from where the kernel’s programs look for them', () => {
  const { egress, ingress, services } = UPSTREAM_PORTS;
  assert.equal(Number(/^#define FIRST_UPSTREAM_PORT (\d+)$/m.exec(PROGRAMS)?.[1]), egress.first);
  assert.deepEqual([ingress.first, services.first, services.last], [egress.last + 1, ingress.last + 1, 65_535]);
  const sizes = Object.values(UPSTREAM_PORTS).map(({ first, last }) => last - first);
  assert.deepEqual(new Set(sizes), new Set([egress.last - egress.first]));
});
