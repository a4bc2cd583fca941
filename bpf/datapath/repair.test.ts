import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import type { AddressEntry, SubjectPolicy } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath } from './index.ts';
import { encodePrefix } from './prefix.ts';
import { allow, CLIENT, closedBut, OPEN, OTHER, SMALL, WEB } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
/** Some batches. */
const ADDRESSES = 5_000;
const CHANGES = 200;

function addressOf(index: number): AddressEntry {
  return { prefix: `10.0.${index >> 8}.${index & 255}/32`, identity: WEB };
}

describe('while tables are repaired', needs('root'), () => {
  let datapath: Datapath;
  before(async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: { ...SMALL, addresses: 2 * ADDRESSES } });
  });
  after(() => datapath.cleanUp());

  test('addresses change, and what is there at the end is what was written last', async () => {
    await datapath.addresses.replace(Array.from({ length: ADDRESSES }, (_, index) => addressOf(index)));
    using map = openMap(`${PINS}/addresses`, ...maps.addresses);
    for (let index = 0; index < ADDRESSES; index += 10) map.delete(encodePrefix(addressOf(index).prefix));
    for (let index = 0; index < 100; index += 1) map.set(encodePrefix(`172.16.${index}.0/24`), OTHER);
    const repairing = datapath.addresses.repair();
    const expected = new Map(Array.from({ length: ADDRESSES }, (_, index) => [addressOf(index).prefix, WEB]));
    for (let change = 0; change < CHANGES; change += 1) {
      const [changed, gone] = [addressOf(change * 17), addressOf(change * 17 + 10)].map(({ prefix }) => prefix);
      assert.ok(changed && gone);
      const set = [changed, `192.0.2.${change}/32`].map((prefix) => ({ prefix, identity: CLIENT }));
      await datapath.addresses.apply({ set, removed: [gone] });
      for (const { prefix, identity } of set) expected.set(prefix, identity);
      expected.delete(gone);
    }
    // What is read while it changes may be passed over, and is found the next time.
    const foreign = [...(await repairing).foreign, ...(await datapath.addresses.repair()).foreign];
    assert.equal(new Set(foreign.filter((prefix) => prefix.startsWith('172.16.'))).size, 100);
    assert.deepEqual(new Map([...datapath.addresses.entries()].map(({ prefix, identity }) => [prefix, identity])), expected);
    assert.deepEqual(await datapath.addresses.repair(), { foreign: [], missing: [] });
  });

  test('addresses that are not wanted any more go, and new ones stay', async () => {
    const wanted = new Set(['10.0.0.1/32', '198.51.100.1/32']);
    const retaining = datapath.addresses.retain((prefix) => wanted.has(prefix));
    await datapath.addresses.apply({ set: [{ prefix: '198.51.100.1/32', identity: CLIENT }] });
    await retaining;
    assert.deepEqual(
      [...datapath.addresses.entries()].map(({ prefix }) => prefix),
      ['10.0.0.1/32', '198.51.100.1/32'],
    );
    assert.deepEqual(await datapath.addresses.repair(), { foreign: [], missing: [] });
  });

  test('policies change, and what is there at the end is what was written last', async () => {
    const policyOf = (subject: number, port: number): SubjectPolicy => {
      const verdicts = Array.from({ length: 400 }, (_, index) => allow(CLIENT, port + index));
      return { subject, ingress: closedBut(...verdicts), egress: OPEN };
    };
    const subjects = Array.from({ length: 10 }, (_, index) => 300 + index);
    await datapath.verdicts.replace(subjects.map((subject) => policyOf(subject, 1)));
    const repairing = datapath.verdicts.repair();
    for (const [index, subject] of subjects.entries()) {
      if (index % 3 === 0) await datapath.verdicts.remove([subject]);
      else await datapath.verdicts.set([policyOf(subject, index * 10)]);
    }
    await datapath.verdicts.set([policyOf(400, 7)]);
    await repairing;
    const left = [...subjects.filter((_, index) => index % 3 !== 0), 400];
    assert.deepEqual([...datapath.verdicts.subjects()].sort(), left);
    assert.deepEqual(await datapath.verdicts.repair(), { foreign: [], missing: [] });
    for (const [index, subject] of left.entries()) {
      const first = Math.min(...[...datapath.verdicts.entries(subject)].map(({ port }) => port));
      assert.equal(first, index === left.length - 1 ? 7 : subjects.indexOf(subject) * 10);
    }
  });
});
