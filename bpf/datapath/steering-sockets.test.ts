import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { UPSTREAM_PORTS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { CLIENT, WEB } from './testing/judged.ts';
import { NODE_ADDRESSES, sh } from './testing/pod-network.ts';
import { EGRESS_SLOT, INGRESS_SLOT, OTHER_EGRESS_SLOT, SteeredWorld, steered, WEB_PORT } from './testing/steered-world.ts';
import { portsOf } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const PORTS = {
  ordinary: 40_000,
  ...{ egressUpstream: UPSTREAM_PORTS.egress.first + 234, ingressUpstream: UPSTREAM_PORTS.ingress.first + 234 },
  serviceUpstream: UPSTREAM_PORTS.services.first + 234,
} as const;
const AGAIN = 5;

describe('sockets of a proxy', needs('root', 'bpf', 'netns'), () => {
  let world: SteeredWorld;
  before(async () => {
    world = await SteeredWorld.open();
  });
  after(() => world?.[Symbol.asyncDispose]());
  afterEach(() => world.setPolicies({}));

  // Who closes a connection cannot have its port again at once.
  let ports = 0;

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const connect = async (name: string, localPort?: number) =>
      await world.peers.client.connect(name, world.pods.web.addresses[family], WEB_PORT, localPort === undefined ? {} : { localPort });

    for (const [side, policies] of [
      ['egress', { client: steered(EGRESS_SLOT, WEB) }],
      ['ingress', { web: steered(INGRESS_SLOT, CLIENT) }],
      ['both', { client: steered(EGRESS_SLOT, WEB), web: steered(INGRESS_SLOT, CLIENT) }],
    ] as const) {
      test(`a client uses a port again at once that the proxy has closed first: ${side}, ${version}`, async () => {
        await world.setPolicies(policies);
        for (let round = 0; round < AGAIN; round += 1) {
          assert.equal(await connect('closed', PORTS.ordinary), 'connected', `round ${round}`);
          assert.equal(await world.peers.client.ask('closed', `round ${round}`), `round ${round}`);
          assert.equal(await world.peers.client.ask('closed', 'leave'), 'end');
          await world.peers.client.finish('closed');
          await world.peers.client.close('closed');
        }
      });
    }

    test(`a client uses a port again whose connection became another slot's, and the proxy has no more of the old one, ${version}`, async () => {
      for (let round = 0; round < AGAIN; round += 1) {
        const slots = round % 2 === 0 ? [EGRESS_SLOT, OTHER_EGRESS_SLOT] : [OTHER_EGRESS_SLOT, EGRESS_SLOT];
        for (const slot of slots) {
          await world.setPolicies({ client: steered(slot, WEB) });
          assert.equal(await connect('moved', PORTS.ordinary), 'connected', `round ${round}`);
          assert.equal(await world.peers.client.ask('moved', 'before'), 'before');
          assert.equal(heldByProxy(PORTS.ordinary).length, 1);
          await world.setPolicies({ client: steered(slot === EGRESS_SLOT ? OTHER_EGRESS_SLOT : EGRESS_SLOT, WEB) });
          assert.equal(await world.peers.client.ask('moved', 'after'), 'ECONNRESET');
          await eventually(() => assert.deepEqual(heldByProxy(PORTS.ordinary), []));
        }
      }
    });

    test(`who opens many at once is answered with cookies, and gets through, ${version}`, async () => {
      const before = sh('cat /proc/sys/net/ipv4/tcp_syncookies').trim();
      sh('echo 2 > /proc/sys/net/ipv4/tcp_syncookies');
      try {
        for (const policies of [{ client: steered(EGRESS_SLOT, WEB) }, { web: steered(INGRESS_SLOT, CLIENT) }]) {
          await world.setPolicies(policies);
          const { length } = await world.proxy.connections();
          assert.equal(await connect('cookie'), 'connected');
          assert.equal(await world.peers.client.ask('cookie', 'eaten'), 'eaten');
          assert.equal((await world.proxy.connections()).length, length + 1);
          await world.peers.client.close('cookie');
        }
      } finally {
        sh(`echo ${before} > /proc/sys/net/ipv4/tcp_syncookies`);
      }
    });

    for (const [what, localPort] of Object.entries(PORTS)) {
      test(`a pod may have a port of its own that is ${what}, with slots and without, ${version}`, async () => {
        for (const policies of [{}, { client: steered(EGRESS_SLOT, WEB) }, { web: steered(INGRESS_SLOT, CLIENT) }]) {
          await world.setPolicies(policies);
          ports += 1;
          assert.equal(await connect('own', localPort + ports), 'connected');
          assert.match(await world.peers.client.ask('own', 'who'), new RegExp(`^${world.pods.client.addresses[family]} `));
          await world.peers.client.close('own');
        }
      });
    }

    test(`what somebody else sends to a port of the proxy's is not for the proxy, ${version}`, async () => {
      await world.setPolicies({ client: steered(EGRESS_SLOT, WEB) });
      assert.equal(await connect('open'), 'connected');
      const [, upstream] = (await world.peers.client.ask('open', 'who')).split(' ');
      assert.equal(await world.peers.other.connect('other', world.pods.client.addresses[family], Number(upstream)), 'ECONNREFUSED');
      assert.equal(await world.peers.client.ask('open', 'still'), 'still');
      await world.peers.client.close('open');
    });

    test(`marks that a pod sets on its packets say nothing, ${version}`, async () => {
      await world.setPolicies({ web: steered(INGRESS_SLOT, CLIENT), client: steered(EGRESS_SLOT, WEB) });
      for (const kind of [0x200, 0x300, 0x900, 0xa00, 0xb00, 0xc00, 0xd02, 0xd03]) {
        for (const { port } of [EGRESS_SLOT, INGRESS_SLOT]) {
          using _marks = world.markPackets(world.pods.client, (port * 0x10000 + kind) >>> 0);
          const { length } = await world.proxy.connections();
          assert.equal(await connect('forged'), 'connected');
          assert.equal(await world.peers.client.ask('forged', 'said'), 'said');
          assert.deepEqual(portsOf((await world.proxy.connections()).slice(length)), [EGRESS_SLOT.port, INGRESS_SLOT.port]);
          await world.peers.client.close('forged');
        }
      }
    });

    test(`nobody gets to a listener of the proxy itself, ${version}`, async () => {
      const { length } = await world.proxy.connections();
      for (const peer of [world.peers.client, world.peers.outside, world.peers.node]) {
        const to = NODE_ADDRESSES[family];
        assert.equal(await peer.connect('listener', to, EGRESS_SLOT.port, { patienceMs: 500 }), 'timeout');
      }
      assert.equal((await world.proxy.connections()).length, length);
    });
  }

  /** Connections with a client's port that the proxy has, as the kernel lists them. */
  function heldByProxy(clientPort: number): readonly string[] {
    return sh(`ss -Htn state established 'sport = :${WEB_PORT} and dport = :${clientPort}'`).split('\n').filter(Boolean);
  }
});
