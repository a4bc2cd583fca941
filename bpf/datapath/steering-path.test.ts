import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { FarHost } from './testing/far-host.ts';
import { EGRESS_SLOT, INGRESS_SLOT, SteeredWorld, steered, WEB_PORT } from './testing/steered-world.ts';
import { portsOf } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const LARGE = 500_000;

describe('steered connections over a path on which packets must be smaller', needs('root', 'bpf', 'netns'), () => {
  let world: SteeredWorld;
  let far: FarHost;
  before(async () => {
    world = await SteeredWorld.open();
    far = await FarHost.behind(world, { mtu: 1300 });
    await far.peer.serve(WEB_PORT);
  });
  after(async () => {
    await far?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });
  afterEach(() => world.setPolicies({}));

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const identity = RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];

    for (const [what, policies, slots] of [
      ['by no slot', {}, []],
      ['by a slot', { client: steered(EGRESS_SLOT, identity) }, [EGRESS_SLOT.port]],
    ] as const) {
      test(`what a pod sends gets there: ${what}, ${version}`, async () => {
        await world.setPolicies(policies);
        far.forgetPaths();
        const { length } = await world.proxy.connections();
        assert.equal(await world.peers.client.connect('large', far.addresses[family], WEB_PORT), 'connected');
        assert.equal((await world.peers.client.ask('large', 'y'.repeat(LARGE))).length, LARGE);
        assert.deepEqual(portsOf((await world.proxy.connections()).slice(length)), slots);
        await world.peers.client.close('large');
      });
    }

    for (const [what, policies, slots] of [
      ['by no slot', {}, []],
      ['by a slot', { web: steered(INGRESS_SLOT, identity) }, [INGRESS_SLOT.port]],
    ] as const) {
      test(`what a pod answers gets there: ${what}, ${version}`, async () => {
        await world.setPolicies(policies);
        far.forgetPaths();
        const { length } = await world.proxy.connections();
        assert.equal(await far.peer.connect('large', world.pods.web.addresses[family], WEB_PORT), 'connected');
        assert.equal((await far.peer.ask('large', `send ${LARGE}`)).length, LARGE);
        assert.deepEqual(portsOf((await world.proxy.connections()).slice(length)), slots);
        await far.peer.close('large');
      });
    }
  }
});
