import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AskedByCopies } from './asked-by-copies.ts';

test('each pair of a listener and a slot is hashed once, and equal input costs nothing', () => {
  const hashed: string[] = [];
  const asked = new AskedByCopies((listener, slot) => {
    hashed.push(`${listener} ${slot}`);
    return copyOf(listener, slot);
  });
  const settled = (...listeners: readonly string[]) => asked.of(new Set(listeners.map((name) => `service/${name}`)));
  const entries = (...listeners: readonly string[]) => [...settled(...listeners)].sort();
  const taken = () => hashed.splice(0).sort();
  for (const [slot, port] of [
    ['http/a', 1],
    ['service/x', 11],
    [copyOf('service/x', 'http/a'), 21],
  ] as const)
    asked.set({ slot, port, ready: true });
  assert.deepEqual([entries('x'), taken()], [[[21, 1]], ['service/x http/a']]);
  const first = settled('x');
  asked.set({ slot: 'http/a', port: 1, ready: false });
  assert.equal(settled('x'), first);
  assert.deepEqual(taken(), []);

  asked.set({ slot: 'http/b', port: 2, ready: true });
  asked.set({ slot: copyOf('service/x', 'http/b'), port: 22, ready: true });
  const both = [
    [21, 1],
    [22, 2],
  ];
  assert.deepEqual([entries('x'), taken()], [both, ['service/x http/b']]);
  assert.deepEqual([entries('x', 'y'), taken()], [both, ['service/y http/a', 'service/y http/b']]);

  asked.delete('http/b');
  assert.deepEqual(entries('x', 'y'), [[21, 1]]);
  asked.set({ slot: 'http/a', port: 3, ready: true });
  assert.deepEqual([entries('x', 'y'), taken()], [[[21, 3]], []]);
  asked.delete(copyOf('service/x', 'http/a'));
  assert.deepEqual(entries('x', 'y'), []);
  asked.set({ slot: copyOf('service/x', 'http/a'), port: 23, ready: true });
  assert.deepEqual(entries('y'), []);
  assert.deepEqual([entries('x'), taken()], [[[23, 3]], ['service/x http/a']]);
});

function copyOf(listener: string, slot: string): string {
  return `service/${listener}/${slot}`;
}
