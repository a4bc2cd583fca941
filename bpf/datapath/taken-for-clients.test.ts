import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath, DatapathError, type MetCopy } from './index.ts';
import { encodeAddress } from './prefix.ts';
import { SMALL } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const WEB: MetCopy = { address: '10.96.0.7', port: 80, identity: 1000, listener: 10_001 };
const IPV6: MetCopy = { ...WEB, address: 'fd00:96::7' };

describe('who meets which copy of a listener', needs('root', 'bpf'), () => {
  let datapath: Datapath;
  const open = async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  };
  beforeEach(open);
  afterEach(() => datapath.cleanUp());

  /** As the kernel has it. */
  const assertMet = async (...expected: readonly MetCopy[]) => {
    assert.deepEqual(new Set(datapath.takenForClients.entries()), new Set(expected));
    assert.deepEqual(await datapath.takenForClients.repair(), { foreign: [], missing: [] });
    using map = openMap(`${PINS}/taken_for_clients`, ...maps.taken_for_clients);
    assert.equal([...map.entries()].length, expected.length);
  };

  test('is what was set last', async () => {
    for (const copies of [[], [WEB], [WEB, IPV6, { ...WEB, identity: 1001 }], [{ ...WEB, listener: 10_002 }], [{ ...WEB, port: 81 }], []]) {
      await datapath.takenForClients.set(copies);
      await assertMet(...copies);
    }
  });

  test('stays over a restart, until it is set', async () => {
    await datapath.takenForClients.set([WEB]);
    datapath[Symbol.dispose]();
    await open();
    await assertMet(WEB);
  });

  test('is put back where somebody else changed it', async () => {
    await datapath.takenForClients.set([WEB]);
    using map = openMap(`${PINS}/taken_for_clients`, ...maps.taken_for_clients);
    const [[key, value] = assert.fail()] = [...map.entries()];
    const foreign = { ...key, address: { ...key.address, address: encodeAddress('10.96.0.8') } };
    map.set(foreign, value);
    map.set(key, { ...value, port: 10_009 });
    const told = await datapath.takenForClients.repair();
    assert.deepEqual(told, { foreign: ['10.96.0.8 80 of 1000/6/0'], missing: ['10.96.0.7 80 of 1000/6/0'] });
    await assertMet(WEB);
  });

  test('is refused whole where it names no address', async () => {
    await datapath.takenForClients.set([WEB]);
    const isRefused = (error: unknown) => error instanceof DatapathError && error.code === 'invalid-address';
    assert.throws(() => datapath.takenForClients.set([IPV6, { ...WEB, address: 'web' }]), isRefused);
    await assertMet(WEB);
  });
});
