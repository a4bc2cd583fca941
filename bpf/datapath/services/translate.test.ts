import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { needs } from '../../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { readServiceCounts } from './index.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

const BACKENDS = { IPv4: ['10.1.0.1', 8080], IPv6: ['fd01::1', 8080] } as const;

describe('a Service is translated at the socket', needs('root', 'bpf'), () => {
  let world: ServiceWorld;
  before(async () => {
    world = await ServiceWorld.start([
      translation('web4', { frontends: [['192.0.2.1', 80]], backends: [BACKENDS.IPv4] }),
      translation('web6', { frontends: [['2001:db8::1', 80]], backends: [BACKENDS.IPv6] }),
      translation('dns4', { frontends: [['192.0.2.1', 53]], backends: [BACKENDS.IPv4], protocol: 'UDP' }),
      translation('dns6', { frontends: [['2001:db8::1', 53]], backends: [BACKENDS.IPv6], protocol: 'UDP' }),
      translation('node4', { frontends: [['0.0.0.0', 30_080]], backends: [BACKENDS.IPv4] }),
      translation('node6', { frontends: [['::', 30_080]], backends: [BACKENDS.IPv6] }),
      translation('none', { frontends: [['192.0.2.2', 80]] }),
      translation('none-udp', { frontends: [['192.0.2.2', 53]], protocol: 'UDP' }),
      translation('left', { frontends: [['10.1.0.4', 8080]], untranslated: 'source-ranges' }),
    ]);
    await world.datapath.setNodeAddresses(['10.1.0.2', 'fd01::2']);
  });
  after(async () => await world[Symbol.asyncDispose]());

  for (const { what, address, backend, peer = `${address} 80` } of [
    { what: 'IPv4', address: '192.0.2.1', backend: '10.1.0.1 8080' },
    { what: 'IPv6', address: '2001:db8::1', backend: 'fd01::1 8080' },
    { what: 'IPv4 by a socket of IPv6', address: '::ffff:192.0.2.1', backend: '10.1.0.1 8080' },
  ]) {
    test(`TCP, ${what}`, async () => assert.deepEqual(await world.client.tcp(address, 80), { backend, peer }));
  }

  for (const { what, address, backend } of [
    { what: 'IPv4', address: '192.0.2.1', backend: '10.1.0.1 8080' },
    { what: 'IPv6', address: '2001:db8::1', backend: 'fd01::1 8080' },
    { what: 'IPv4 by a socket of IPv6', address: '::ffff:192.0.2.1', backend: '10.1.0.1 8080' },
  ]) {
    const peer = `${address} 53`;
    test(`UDP without a connection, ${what}`, async () => {
      for (let turn = 0; turn < 3; turn += 1) assert.deepEqual(await world.client.udp(what, address, 53), { backend, peer });
    });
    test(`UDP that is connected, ${what}`, async () => {
      const socket = `connected ${what}`;
      assert.deepEqual(await world.client.ask({ kind: 'udp-connect', socket, address, port: 53 }), { peer });
      for (let turn = 0; turn < 3; turn += 1) {
        assert.deepEqual(await world.client.ask({ kind: 'udp-connected', socket }), { backend, peer });
      }
    });
  }

  for (const { address, error, backend, what } of [
    { what: "the node's own address", address: '10.1.0.2', backend: '10.1.0.1 8080' },
    { what: "the node's own address of IPv6", address: 'fd01::2', backend: 'fd01::1 8080' },
    { what: 'loopback', address: '127.0.0.1', backend: '10.1.0.1 8080' },
    { what: 'all of loopback', address: '127.1.2.3', backend: '10.1.0.1 8080' },
    { what: 'loopback of IPv6', address: '::1', backend: 'fd01::1 8080' },
    { what: "an address that is not the node's", address: '10.1.0.3', error: 'ECONNREFUSED' },
  ]) {
    test(`NodePort at ${what}`, async () => {
      const answer = await world.client.tcp(address, 30_080);
      assert.deepEqual(answer, error === undefined ? { backend, peer: `${address} 30080` } : { error });
    });
  }

  test("a pod's loopback is its own; the node's address is the node's for it as well", async () => {
    await using pod = world.join('own');
    await pod.ask({ kind: 'serve', address: '10.1.0.1', port: 8080 });
    assert.deepEqual(await pod.tcp('127.0.0.1', 30_080), { error: 'ECONNREFUSED' });
    assert.deepEqual(await pod.tcp('::1', 30_080), { error: 'ECONNREFUSED' });
    assert.deepEqual(await pod.tcp('10.1.0.2', 30_080), { backend: '10.1.0.1 8080', peer: '10.1.0.2 30080' });
  });

  test('without backends, connections are refused, and datagrams', async () => {
    const before = readServiceCounts(PINS).refused;
    assert.deepEqual(await world.client.tcp('192.0.2.2', 80), { error: 'ECONNREFUSED' });
    assert.deepEqual(await world.client.tcp('::ffff:192.0.2.2', 80), { error: 'ECONNREFUSED' });
    assert.deepEqual(await world.client.udp('none', '192.0.2.2', 53), { error: 'ECONNREFUSED' });
    assert.deepEqual(await world.client.ask({ kind: 'udp-connect', socket: 'refused', address: '192.0.2.2', port: 53 }), {
      error: 'ECONNREFUSED',
    });
    assert.equal(readServiceCounts(PINS).refused, before + 4);
  });

  for (const { what, address, port, backend, peer } of [
    { what: 'is no Service', address: '10.1.0.3', port: 8080, backend: '10.1.0.3 8080', peer: '10.1.0.3 8080' },
    { what: 'is left to others', address: '10.1.0.4', port: 8080, backend: '10.1.0.4 8080', peer: '10.1.0.4 8080' },
    { what: 'is a backend itself', address: '10.1.0.1', port: 8080, backend: '10.1.0.1 8080', peer: '10.1.0.1 8080' },
  ]) {
    test(`what ${what} is left as it is`, async () => {
      assert.deepEqual(await world.client.tcp(address, port), { backend, peer });
      assert.deepEqual(await world.client.udp(`direct ${what}`, address, port), { backend, peer });
    });
  }

  test('MPTCP, except for the name of the peer: it is a socket above the one that connects', async () => {
    using folder = new TemporaryFolder();
    const client = folder.join('client');
    execFileSync('clang', ['-o', client, fileURLToPath(new URL('testing/mptcp-client.c', import.meta.url))]);
    const within = world.cgroup.within(`exec ${client} 192.0.2.1 80`);
    const { stdout } = await promisify(execFile)('sh', ['-c', within]);
    assert.equal(stdout, '10.1.0.1 8080\n10.1.0.1 8080\n');
  });

  test('the same port of another protocol is no Service', async () => {
    assert.deepEqual(await world.client.tcp('192.0.2.1', 53), { error: 'ENETUNREACH' });
    assert.deepEqual(await world.client.udp('other', '192.0.2.1', 80), { error: 'ENETUNREACH' });
  });
});
