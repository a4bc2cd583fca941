import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PodEndpoint } from '../../model/index.ts';
import { type DeviceCandidate, matchDevices, type PodDevice } from './match-devices.ts';

function endpoint(name: string, ...addresses: readonly string[]): PodEndpoint {
  return { pod: { kind: 'Pod', namespace: 'default', name }, uid: `uid-${name}`, node: 'n', addresses, identity: 300 };
}

function device(ifindex: number, ...addresses: readonly string[]): DeviceCandidate {
  return { ifindex, name: `veth${ifindex}`, namespace: 1, mac: undefined, addresses };
}

function pairs(found: readonly PodDevice[]): Record<string, number> {
  return Object.fromEntries(found.map((each) => [each.endpoint.pod.name, each.ifindex]));
}

describe('devices of endpoints', () => {
  const a = endpoint('a', '10.0.0.1', 'fd00::1');
  const b = endpoint('b', '10.0.0.2');

  test('are found by any of their addresses', () => {
    const found = matchDevices([a, b], [device(5, 'fd00::1', 'fe80::1'), device(6, '10.0.0.2'), device(7, '10.0.0.3')], []);
    assert.deepEqual(pairs(found), { a: 5, b: 6 });
    assert.deepEqual(found[0]?.addresses, ['fd00::1', 'fe80::1']);
  });

  test('are not found where no device has such an address', () => {
    assert.deepEqual(matchDevices([a], [device(5), device(6, '10.0.0.11')], []), []);
  });

  test('are the newest, where a sandbox has outlived its pod', () => {
    assert.deepEqual(pairs(matchDevices([a], [device(9, '10.0.0.1'), device(5, '10.0.0.1')], [])), { a: 9 });
  });

  test('stay what they are when another takes the address', () => {
    const before = matchDevices([a], [device(5, '10.0.0.1')], []);
    assert.deepEqual(pairs(matchDevices([a], [device(5, '10.0.0.1'), device(9, '10.0.0.1')], before)), { a: 5 });
  });

  test('are given up when they have no such address any more, or are gone', () => {
    const before = matchDevices([a], [device(5, '10.0.0.1')], []);
    for (const others of [[device(5, '10.0.0.9')], [device(5)], []]) {
      assert.deepEqual(pairs(matchDevices([a], [...others, device(9, '10.0.0.1')], before)), { a: 9 });
    }
  });

  test('of a pod that took another’s address remain its own', () => {
    const thief = device(5, '10.0.0.1', '10.0.0.2');
    const before = matchDevices([a], [thief], []);
    assert.deepEqual(pairs(matchDevices([a, b], [thief, device(9, '10.0.0.2')], before)), { a: 5, b: 9 });
    assert.deepEqual(pairs(matchDevices([a, b], [thief], before)), { a: 5 });
  });

  test('are of a new pod of the same name and address when the old one is not wanted any more', () => {
    const before = matchDevices([a], [device(5, '10.0.0.1')], []);
    const again = { ...a, uid: 'uid-again' };
    assert.deepEqual(pairs(matchDevices([again], [device(5, '10.0.0.1'), device(9, '10.0.0.1')], before)), { a: 9 });
  });

  const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1');
  const endpoints = fc.uniqueArray(
    fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.array(address, { maxLength: 2 })).map(([name, own]) => endpoint(name, ...own)),
    { selector: ({ uid }) => uid },
  );
  const candidates = fc.uniqueArray(
    fc.tuple(fc.nat(6), fc.array(address, { maxLength: 3 })).map(([ifindex, own]) => device(ifindex, ...own)),
    { selector: ({ ifindex }) => ifindex },
  );

  test('have an address of theirs, and are of nobody else, whatever was before', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(endpoints, candidates), { minLength: 1, maxLength: 5 }), (steps) => {
        let found: readonly PodDevice[] = [];
        for (const [wanted, there] of steps) {
          const before = found;
          found = matchDevices(wanted, there, before);
          assert.equal(new Set(found.map(({ ifindex }) => ifindex)).size, found.length);
          for (const each of found) assert.ok(each.endpoint.addresses.some((own) => each.addresses.includes(own)));
          // Whoever had one keeps it, if it still has an address of theirs.
          for (const old of before) {
            const now = wanted.find(({ uid }) => uid === old.endpoint.uid);
            const same = there.find(({ ifindex }) => ifindex === old.ifindex);
            if (!now?.addresses.some((own) => same?.addresses.includes(own))) continue;
            assert.equal(found.find(({ endpoint: { uid } }) => uid === now.uid)?.ifindex, old.ifindex);
          }
        }
      }),
    );
  });
});
