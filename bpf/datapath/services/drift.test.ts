import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openMap } from 'libbpf-ts';
import { needs } from '../../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { listServiceAddresses, listServices } from './index.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

const SERVICES = [
  translation('web', {
    frontends: [
      ['192.0.2.1', 80],
      ['0.0.0.0', 30_080],
    ],
    backends: [
      ['10.1.0.1', 8080],
      ['10.1.0.2', 8080],
    ],
  }),
  translation('sticky', {
    frontends: [['192.0.2.2', 80]],
    backends: [['10.1.0.1', 8080]],
    draining: [['10.1.0.3', 8080]],
    affinitySeconds: 60,
  }),
  translation('six', { frontends: [['2001:db8::1', 80]], backends: [['fd01::1', 8080]] }),
  translation('none', { frontends: [['192.0.2.3', 80]] }),
  translation('left', { frontends: [['192.0.2.4', 80]], untranslated: 'source-ranges' }),
];
const MAPS = [
  'service_addresses',
  'service_frontends',
  'services',
  'service_slots',
  'service_backends',
  'service_names',
  'service_next_id',
];

/** Something that somebody else does to an entry of a map; numbers are taken modulo what there is. */
const meddling = fc.record({
  map: fc.constantFrom(...MAPS),
  entry: fc.nat(1_000),
  what: fc.constantFrom('delete', 'change', 'copy', 'clear'),
  byte: fc.nat(1_000),
  bit: fc.nat(7),
});

function meddle({ map: name, entry, what, byte, bit }: typeof meddling extends fc.Arbitrary<infer T> ? T : never): void {
  using map = openMap(join(PINS, name));
  const entries = [...map.entries()];
  const [key, value] = entries[entry % Math.max(entries.length, 1)] ?? [];
  if (!key || !value) return;
  if (what === 'delete' && name !== 'service_next_id') map.delete(key);
  if (what === 'clear') map.set(key, new Uint8Array(value.length));
  const target = what === 'change' ? value : key;
  const place = byte % target.length;
  target[place] = (target[place] ?? 0) ^ (1 << bit);
  // A key of an array is not any number.
  if (what === 'change' || (what === 'copy' && name !== 'service_next_id')) map.set(key, value);
}

test('whatever somebody else writes to the maps is found and repaired', needs('root', 'bpf'), async () => {
  await using world = await ServiceWorld.start(SERVICES);
  const lists = async () => [await listServices(PINS), listServiceAddresses(PINS)];
  const expected = await lists();
  let repaired = 0;
  const property = fc.asyncProperty(fc.array(meddling, { minLength: 1, maxLength: 8 }), async (all) => {
    for (const one of all) meddle(one);
    const { written, deleted } = await world.datapath.reconcile(SERVICES);
    repaired += written + deleted;
    assert.deepEqual(await lists(), expected);
    assert.deepEqual(await world.datapath.reconcile(SERVICES), { written: 0, deleted: 0 });
    assert.match((await world.client.tcp('192.0.2.1', 80)).backend ?? '', /^10\.1\.0\.[12] 8080$/);
    assert.equal((await world.client.tcp('2001:db8::1', 80)).backend, 'fd01::1 8080');
  });
  await fc.assert(property, { numRuns: 150 });
  assert.ok(repaired > 150);
});
