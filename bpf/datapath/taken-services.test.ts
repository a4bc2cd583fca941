import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath, DatapathError, PinnedDatapath, type TakenAddress, type TakenService } from './index.ts';
import { encodeAddress } from './prefix.ts';
import { SMALL } from './testing/judged.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const WEB: TakenService = {
  frontends: [
    { address: '10.96.0.7', port: 80 },
    { address: 'FD00:96::0007', port: 80 },
  ],
  port: 10_001,
  ready: true,
};
const WEB_ADDRESSES: readonly TakenAddress[] = ['10.96.0.7', 'fd00:96::7'].map((address) => ({
  address,
  port: 80,
  fromOutside: false,
  listener: 10_001,
  ready: true,
}));
const SHOP: TakenService = { frontends: [{ address: '10.96.0.7', port: 443 }], port: 10_002, ready: false };
const SHOP_ADDRESS: TakenAddress = { address: '10.96.0.7', port: 443, fromOutside: false, listener: 10_002, ready: false };

describe('Services that listeners take', needs('root', 'bpf'), () => {
  let datapath: Datapath;
  const open = async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  };
  beforeEach(open);
  afterEach(() => datapath.cleanUp());

  const assertTaken = (...expected: readonly TakenAddress[]) => {
    assert.deepEqual(new Set(datapath.taken.entries()), new Set(expected));
    assert.deepEqual(new Set(new PinnedDatapath(PINS).taken()), new Set(expected));
  };
  const codeOf = (code: string) => (error: unknown) => error instanceof DatapathError && error.code === code;

  test('are those that were set last', async () => {
    for (const [services, expected] of [
      [[], []],
      [[WEB], WEB_ADDRESSES],
      [
        [WEB, SHOP],
        [...WEB_ADDRESSES, SHOP_ADDRESS],
      ],
      [[WEB, WEB], WEB_ADDRESSES],
      [[{ ...SHOP, ready: true }], [{ ...SHOP_ADDRESS, ready: true }]],
      [[{ ...SHOP, port: 10_003 }], [{ ...SHOP_ADDRESS, listener: 10_003 }]],
      [[{ ...SHOP, frontends: [{ address: '10.96.0.7', port: 443, fromOutside: true }] }], [{ ...SHOP_ADDRESS, fromOutside: true }]],
      [[], []],
    ] as const) {
      await datapath.taken.set(services);
      assertTaken(...expected);
      assert.deepEqual(await datapath.taken.repair(), { foreign: [], missing: [] });
    }
  });

  for (const [what, code, service] of [
    ['another one for the same address', 'invalid-redirect', { ...SHOP, frontends: WEB.frontends }],
    ['another state for the same address', 'invalid-redirect', { ...WEB, ready: false }],
    ['no port', 'invalid-redirect', { ...SHOP, port: 0 }],
    ['a port too large', 'invalid-redirect', { ...SHOP, port: 65_536 }],
    ['half a port', 'invalid-redirect', { ...SHOP, port: 80.5 }],
    ['no port of the Service', 'invalid-redirect', { ...SHOP, frontends: [{ address: '10.96.0.9', port: 0 }] }],
    ['no address', 'invalid-address', { ...SHOP, frontends: [{ address: 'nobody', port: 80 }] }],
  ] as const) {
    test(`are refused with ${what}, and nothing is changed`, async () => {
      await datapath.taken.set([WEB]);
      await assert.rejects(datapath.taken.set([WEB, service]), codeOf(code));
      assertTaken(...WEB_ADDRESSES);
    });
  }

  test('are known to who opens them next, and repaired', async () => {
    await datapath.taken.set([WEB, SHOP]);
    datapath[Symbol.dispose]();
    await open();
    assertTaken(...WEB_ADDRESSES, SHOP_ADDRESS);
    using map = openMap(`${PINS}/taken_services`, ...maps.taken_services);
    const key = (address: string, port: number, protocol = 6) => ({ address: encodeAddress(address), port, protocol, pad: 0 });
    const value = { address: key('10.96.0.7', 80), port: 10_001, is_ready: 1, is_from_outside: 0 };
    map.delete(key('10.96.0.7', 443));
    map.set(key('fd00:96::7', 80), value);
    map.set(key('10.96.0.9', 80), value);
    map.set(key('10.96.0.7', 80, 17), value);
    const { foreign, missing } = await datapath.taken.repair();
    assert.deepEqual(new Set(foreign), new Set(['10.96.0.9:80', '10.96.0.7:80/17/0']));
    assert.deepEqual(new Set(missing), new Set(['10.96.0.7:443', '[fd00:96::7]:80']));
    assertTaken(...WEB_ADDRESSES, SHOP_ADDRESS);
    assert.deepEqual(await datapath.taken.repair(), { foreign: [], missing: [] });
    using configuration = openMap(`${PINS}/configuration`, ...maps.configuration);
    const said = configuration.get(0);
    assert.ok(said);
    configuration.set(0, { ...said, takes_services: 0 });
    await datapath.taken.repair();
    assert.equal(configuration.get(0)?.takes_services, 1);
    await datapath.taken.set([]);
    assert.equal(configuration.get(0)?.takes_services, 0, 'nobody needs to look');
  });

  test('are no more than the kernel has room for', async () => {
    using map = openMap(`${PINS}/taken_services`, ...maps.taken_services);
    const { maxEntries } = map.info;
    const frontends = Array.from({ length: maxEntries + 1 }, (_, index) => ({
      address: `10.96.${(index >> 8) & 255}.${index & 255}`,
      port: 80 + (index >> 16),
    }));
    await assert.rejects(datapath.taken.set([{ ...WEB, frontends }]), codeOf('maps-full'));
    await datapath.taken.set([WEB]);
    assertTaken(...WEB_ADDRESSES);
  });

  test('are forgotten when all is cleaned up', async () => {
    await datapath.taken.set([WEB]);
    datapath.cleanUp();
    await open();
    assertTaken();
  });
});
