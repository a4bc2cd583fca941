import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath } from './index.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import { CLIENT, SMALL, WEB } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const [FIRST, SECOND] = [5, 6];
const [A, B] = ['10.0.0.1', 'fd00::1'];

describe('pods by their addresses', needs('root', 'bpf'), () => {
  let datapath: Datapath;
  beforeEach(async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  });
  afterEach(() => datapath.cleanUp());

  /** As the kernel has them. */
  function owners(): Readonly<Record<string, number>> {
    using map = openMap(`${PINS}/address_owners`, ...maps.address_owners);
    return Object.fromEntries(Array.from(map.entries(), ([{ address }, { ifindex }]) => [decodeAddress(address), ifindex]));
  }
  const set = (ifindex: number, addresses: readonly string[], identity = WEB) => datapath.endpoints.set(ifindex, { identity, addresses });

  test('are found by those that they have, and by no others', async () => {
    await set(FIRST, [A, B]);
    assert.deepEqual(owners(), { [A]: FIRST, [B]: FIRST });
    await set(FIRST, [B], CLIENT);
    assert.deepEqual(owners(), { [B]: FIRST });
    await datapath.endpoints.remove(FIRST);
    assert.deepEqual(owners(), {});
  });

  test('are found by an address that was another’s before, whoever tells of its end first', async () => {
    await set(FIRST, [A]);
    await set(SECOND, [A]);
    assert.deepEqual(owners(), { [A]: SECOND });
    await datapath.endpoints.remove(FIRST);
    assert.deepEqual(owners(), { [A]: SECOND });
    await set(FIRST, [A]);
    assert.deepEqual(owners(), { [A]: FIRST });
    await set(FIRST, []);
    assert.deepEqual(owners(), { [A]: SECOND });
    await datapath.endpoints.remove(SECOND);
    assert.deepEqual(owners(), {});
  });

  test('are repaired', async () => {
    await set(FIRST, [A, B]);
    await set(SECOND, [A]);
    using map = openMap(`${PINS}/address_owners`, ...maps.address_owners);
    const [a, b, foreign] = [A, B, '10.9.9.9'].map((text) => ({ address: encodeAddress(text) }));
    assert.ok(a && b && foreign);
    map.delete(b);
    map.set(foreign, { ...foreign, ifindex: FIRST });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: ['10.9.9.9'], missing: [String(FIRST)] });
    map.set(a, { ...a, ifindex: 77 });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: [], missing: [String(FIRST)] });
    map.set(b, { ...a, ifindex: FIRST });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: [], missing: [String(FIRST)] });
    assert.deepEqual(owners(), { [A]: FIRST, [B]: FIRST });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: [], missing: [] });
  });

  test('are found again after a version that did not know them so', async () => {
    await set(FIRST, [A]);
    using map = openMap(`${PINS}/address_owners`, ...maps.address_owners);
    map.delete({ address: encodeAddress(A) });
    datapath[Symbol.dispose]();
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    assert.deepEqual(await datapath.endpoints.repair(), { foreign: [], missing: [String(FIRST)] });
    assert.deepEqual(owners(), { [A]: FIRST });
  });
});
