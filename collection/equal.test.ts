import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal } from './equal.ts';

class Sealed {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  equals(other: unknown): boolean {
    return other instanceof Sealed && other.#value === this.#value;
  }
}

const SAME: readonly [string, unknown, unknown][] = [
  ['numbers', 1, 1],
  ['not a number', Number.NaN, Number.NaN],
  ['nested data', { a: [1, { b: 'x' }] }, { a: [1, { b: 'x' }] }],
  ['order of properties', { a: 1, b: 2 }, { b: 2, a: 1 }],
  ['absent and undefined', { a: 1 }, { a: 1, b: undefined }],
  ['bytes', Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  ['dates', new Date(5), new Date(5)],
  ['sealed values', new Sealed('a'), new Sealed('a')],
];

const DIFFERENT: readonly [string, unknown, unknown][] = [
  ['a number and its text', 1, '1'],
  ['an empty list and an empty object', [], {}],
  ['null and an object', null, {}],
  ['lengths', [1], [1, 2]],
  ['order of items', [1, 2], [2, 1]],
  ['a property more', { a: 1 }, { a: 1, b: 2 }],
  ['a property less', { a: 1, b: 2 }, { a: 1 }],
  ['null and absent', { a: null }, {}],
  ['bytes', Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
  ['dates', new Date(5), new Date(6)],
  ['sealed values', new Sealed('a'), new Sealed('b')],
];

for (const [name, a, b] of SAME) test(`equal: ${name}`, () => assert.equal(equal(a, b), true));
for (const [name, a, b] of DIFFERENT) {
  test(`not equal: ${name}`, () => {
    assert.equal(equal(a, b), false);
    assert.equal(equal(b, a), false);
  });
}
