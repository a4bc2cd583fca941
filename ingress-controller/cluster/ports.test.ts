import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointSliceObject } from '../../testkit/kube-objects.ts';
import { choosePort, type PortClaim, portOwner, rememberedPort } from './ports.ts';

const FIRST = 20_002;
const LAST = 29_999;
const COUNT = LAST - FIRST + 1;

/** The ports in the order in which an Ingress tries them. */
function triedBy(ingress: string): readonly number[] {
  const tried: number[] = [];
  choosePort(ingress, (port) => tried.push(port) > 0);
  return tried;
}

describe('the port of an Ingress', () => {
  it('is always the same, and mostly another for another Ingress', () => {
    const names = Array.from({ length: 100 }, (_, index) => `shop/web-${index}`);
    const ports = names.map((name) => choosePort(name, () => false));
    assert.deepEqual(
      ports,
      names.map((name) => choosePort(name, () => false)),
    );
    assert.ok(new Set(ports).size > 95);
  });

  for (const name of ['shop/web', 'default/a', 'x/y', 'kube-system/long-name']) {
    it(`${name} tries every port once, and is refused when all are taken`, () => {
      const tried = triedBy(name);
      assert.equal(tried.length, COUNT);
      assert.equal(new Set(tried).size, COUNT);
      assert.deepEqual([Math.min(...tried), Math.max(...tried)], [FIRST, LAST]);
      assert.equal(
        choosePort(name, () => true),
        undefined,
      );
      const [first, second, third] = tried;
      assert.equal(
        choosePort(name, (port) => port === first || port === second),
        third,
      );
      assert.equal(
        choosePort(name, (port) => port !== tried.at(-1)),
        tried.at(-1),
      );
    });
  }

  const claims: readonly (readonly [name: string, claims: readonly PortClaim[], owner: string | undefined])[] = [
    ['nobody', [], undefined],
    ['the only one', [{ ingress: 'a/a', since: 5 }], 'a/a'],
    [
      'the older',
      [
        { ingress: 'a/a', since: 5 },
        { ingress: 'b/b', since: 4 },
      ],
      'b/b',
    ],
    [
      'the first by name of equals',
      [
        { ingress: 'b/b', since: 4 },
        { ingress: 'a/a', since: 4 },
      ],
      'a/a',
    ],
  ];
  for (const [name, given, owner] of claims) {
    it(`that several slices name belongs to ${name}`, () => {
      assert.equal(portOwner(given), owner);
      assert.equal(portOwner(given.toReversed()), owner);
    });
  }

  const slices: readonly (readonly [name: string, ports: readonly (number | undefined)[], expected: number | undefined])[] = [
    ['both', [23_456, 23_456], 23_456],
    ['the first', [FIRST, FIRST], FIRST],
    ['the last', [LAST, LAST], LAST],
    ['one below', [FIRST - 1, FIRST - 1], undefined],
    ['one above', [LAST + 1, LAST + 1], undefined],
    ["Cilium's", [9999], undefined],
    ['two different', [23_456, 23_457], undefined],
    ['none', [], undefined],
    ['any', [undefined], undefined],
  ];
  for (const [name, ports, expected] of slices) {
    it(`is ${expected} by a slice with ${name}: ${ports}`, () => {
      const given = ports.map((port, index) => ({ name: `p${index}`, ...(port !== undefined && { port }) }));
      assert.equal(rememberedPort(endpointSliceObject({ endpoints: [], ports: given })), expected);
    });
  }
});
