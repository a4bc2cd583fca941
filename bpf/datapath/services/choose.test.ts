import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openMap, struct, u64 } from 'libbpf-ts';
import { needs } from '../../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { readServiceCounts } from './index.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

const ALL = [
  ['10.1.0.1', 8080],
  ['10.1.0.2', 8080],
  ['10.1.0.3', 8080],
] as const;
const [FIRST, SECOND] = ALL;
const ADDRESS = '192.0.2.1';
const CONNECTIONS = 300;

describe('a backend is chosen', needs('root', 'bpf'), () => {
  let world: ServiceWorld;
  beforeEach(async () => {
    world = await ServiceWorld.start();
  });
  afterEach(async () => await world[Symbol.asyncDispose]());

  const set = async (options: Partial<Parameters<typeof translation>[1]>) =>
    await world.datapath.apply({ set: [translation('it', { frontends: [[ADDRESS, 80]], backends: ALL, ...options })] });
  const ask = async (socket: string) => (await world.client.udp(socket, ADDRESS, 80)).backend;

  test('at random, each as often', async () => {
    await set({});
    const { counts = {} } = await world.client.ask({ kind: 'tcp-many', address: ADDRESS, port: 80, times: CONNECTIONS });
    assert.deepEqual(Object.keys(counts).sort(), ['10.1.0.1 8080', '10.1.0.2 8080', '10.1.0.3 8080']);
    // Nine standard deviations of the binomial distribution.
    for (const times of Object.values(counts)) assert.ok(Math.abs(times - CONNECTIONS / 3) < 73, `${times} of ${CONNECTIONS}`);
  });

  test('and kept by a client that is to keep it, for each Service and in each network', async () => {
    const frontends = [[ADDRESS, 80]] as const;
    await world.datapath.apply({
      set: Array.from({ length: 12 }, (_, port) =>
        translation(`it-${port}`, { frontends: [[ADDRESS, 80 + port]], backends: ALL, affinitySeconds: 60 }),
      ),
    });
    await using pod = world.join('own');
    for (const [address, port] of ALL) await pod.ask({ kind: 'serve', address, port });
    const chosen: string[][] = [];
    for (const client of [world.client, world.join(), pod]) {
      const ofClient: string[] = [];
      for (let port = 80; port < 92; port += 1) {
        const { counts = {} } = await client.ask({ kind: 'tcp-many', address: frontends[0][0], port, times: 5 });
        assert.deepEqual(Object.values(counts), [5]);
        ofClient.push(...Object.keys(counts));
      }
      chosen.push(ofClient);
    }
    const [shared, alsoShared, own] = chosen;
    assert.deepEqual(alsoShared, shared);
    // Alike once in half a million runs.
    assert.notDeepEqual(own, shared);
    assert.ok(new Set(shared).size > 1);
  });

  test('anew once a client has been away for as long as it is kept', async () => {
    await set({ affinitySeconds: 60 });
    const { backend: before } = await world.client.tcp(ADDRESS, 80);
    const client = struct({ netns_cookie: u64, service: u64 });
    const choice = struct({ backend: u64, used_at: u64 });
    using affinity = openMap(`${PINS}/service_affinity`, client, choice);
    const [entry] = [...affinity.entries()];
    assert.ok(entry);
    const [key, { backend, used_at }] = entry;
    // The clock begins with the machine, which may be younger than that; as in the programs, what is before goes around.
    const usedBefore = (nanoseconds: bigint) => affinity.set(key, { backend, used_at: BigInt.asUintN(64, used_at - nanoseconds) });
    const seen = new Set<string | undefined>();
    for (let turn = 0; turn < 60; turn += 1) {
      usedBefore(59_000_000_000n);
      assert.equal((await world.client.tcp(ADDRESS, 80)).backend, before);
      usedBefore(61_000_000_000n);
      seen.add((await world.client.tcp(ADDRESS, 80)).backend);
    }
    assert.deepEqual(seen.size, 3);
  });

  test('anew where the one that was kept is gone, or drains', async () => {
    await set({ affinitySeconds: 60, backends: [FIRST] });
    assert.equal((await world.client.tcp(ADDRESS, 80)).backend, '10.1.0.1 8080');
    await set({ affinitySeconds: 60, backends: [SECOND], draining: [FIRST] });
    assert.equal((await world.client.tcp(ADDRESS, 80)).backend, '10.1.0.2 8080');
    await set({ affinitySeconds: 60, backends: [FIRST, SECOND] });
    assert.equal((await world.client.tcp(ADDRESS, 80)).backend, '10.1.0.2 8080');
    await set({ affinitySeconds: 60, backends: [FIRST] });
    assert.equal((await world.client.tcp(ADDRESS, 80)).backend, '10.1.0.1 8080');
  });

  test('once for all that an unconnected socket sends to a Service, while it is there', async () => {
    await set({ protocol: 'UDP' });
    const chosen = new Set<string | undefined>();
    for (let socket = 0; socket < 20; socket += 1) {
      const backend = await ask(`socket-${socket}`);
      for (let turn = 0; turn < 5; turn += 1) assert.equal(await ask(`socket-${socket}`), backend);
      chosen.add(backend);
    }
    assert.equal(chosen.size, 3);
    await set({ protocol: 'UDP', backends: [FIRST, SECOND] });
    for (let socket = 0; socket < 20; socket += 1) assert.notEqual(await ask(`socket-${socket}`), '10.1.0.3 8080');
  });

  test('never where it drains; what is connected to it may stay, and is told once it is gone', async () => {
    await set({ protocol: 'UDP', backends: [FIRST] });
    const connect = async (socket: string) => await world.client.ask({ kind: 'udp-connect', socket, address: ADDRESS, port: 80 });
    const send = async (socket: string) => await world.client.ask({ kind: 'udp-connected', socket });
    await connect('old');
    const answered = (backend: string) => ({ backend, peer: `${ADDRESS} 80` });
    assert.deepEqual(await send('old'), answered('10.1.0.1 8080'));
    await set({ protocol: 'UDP', backends: [SECOND], draining: [FIRST] });
    await connect('new');
    assert.deepEqual([await send('old'), await send('new')], [answered('10.1.0.1 8080'), answered('10.1.0.2 8080')]);
    await set({ protocol: 'UDP', backends: [SECOND] });
    assert.deepEqual([await send('old'), await send('new')], [{ error: 'EPERM' }, answered('10.1.0.2 8080')]);
    assert.equal(readServiceCounts(PINS).stale, 1);
    await world.client.ask({ kind: 'close', socket: 'old' });
    await connect('old');
    assert.deepEqual(await send('old'), answered('10.1.0.2 8080'));
  });

  test('for each of two Services that share one; answers are those of whom was asked', async () => {
    const both = ['192.0.2.1', '192.0.2.2'].map((address) =>
      translation(address, { frontends: [[address, 53]], backends: [FIRST], protocol: 'UDP' }),
    );
    await world.datapath.apply({ set: both });
    for (const [address, socket] of [
      ['192.0.2.1', 'one'],
      ['192.0.2.2', 'two'],
      ['192.0.2.1', 'both'],
      ['192.0.2.2', 'both'],
    ] as const) {
      assert.deepEqual(await world.client.udp(socket, address, 53), { backend: '10.1.0.1 8080', peer: `${address} 53` });
    }
  });
});
