import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { allow, CLIENT, CLOSED, closedBut, WEB } from './testing/judged.ts';
import {
  EGRESS_SLOT,
  INGRESS_SLOT,
  OTHER_EGRESS_SLOT,
  OTHER_INGRESS_SLOT,
  SLOTS,
  SteeredWorld,
  slotName,
  steered,
  WEB_PORT,
  type WorldPolicies,
} from './testing/steered-world.ts';

enterOwnNamespaces();

/** In which a connection that gets through would be open. */
const PATIENCE_MS = 700;

describe('connections that Envoy has, or is to have', needs('root', 'bpf', 'netns'), () => {
  let world: SteeredWorld;
  before(async () => {
    world = await SteeredWorld.open();
  });
  after(() => world?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.setPolicies({});
    await world.setRedirects(...SLOTS);
    world.datapath.attachSteering(world.steeringDevice);
    if (world.proxy.hasEnded) await world.startProxy();
  });

  const egress: WorldPolicies = { client: steered(EGRESS_SLOT, WEB) };
  const ingress: WorldPolicies = { web: steered(INGRESS_SLOT, CLIENT) };
  const direct: WorldPolicies = {};

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const connect = async (name: string, options = {}) =>
      await world.peers.client.connect(name, world.pods.web.addresses[family], WEB_PORT, options);

    const changes: readonly { readonly what: string; readonly from: WorldPolicies; readonly to: WorldPolicies }[] = [
      { what: 'begins at who opened it', from: direct, to: egress },
      { what: 'begins at whom it was opened to', from: direct, to: ingress },
      { what: 'becomes another at who opened it', from: egress, to: { client: steered(OTHER_EGRESS_SLOT, WEB) } },
      { what: 'becomes another at whom it was opened to', from: ingress, to: { web: steered(OTHER_INGRESS_SLOT, CLIENT) } },
      { what: 'ends at who opened it', from: egress, to: direct },
      { what: 'ends at whom it was opened to', from: ingress, to: direct },
      { what: 'moves from the one side to the other', from: egress, to: ingress },
    ];
    for (const { what, from, to } of changes) {
      test(`one whose slot ${what} is reset when it says something, ${version}`, async () => {
        await world.setPolicies(from);
        assert.equal(await connect('open'), 'connected');
        assert.equal(await world.peers.client.ask('open', 'before'), 'before');
        await world.setPolicies(to);
        const { bytes } = await world.peers.web.served();
        assert.equal(await world.peers.client.ask('open', 'after'), 'ECONNRESET');
        assert.equal((await world.peers.web.served()).bytes, bytes, 'nothing of it got there');
        assert.equal(await connect('new'), 'connected');
        assert.equal(await world.peers.client.ask('new', 'again'), 'again');
        await world.peers.client.close('new');
      });

      test(`one whose slot ${what} while an answer is awaited gets it or is reset, ${version}`, async () => {
        await world.setPolicies(from);
        assert.equal(await connect('waiting'), 'connected');
        assert.equal(await world.peers.client.ask('waiting', 'before'), 'before');
        const answer = world.peers.client.ask('waiting', 'wait');
        await eventually(async () => assert.ok((await world.peers.web.served()).bytes > 0));
        await world.setPolicies(to);
        assert.match(await answer, /^(wait|ECONNRESET)$/);
        assert.equal(await world.peers.client.ask('waiting', 'after'), 'ECONNRESET');
      });
    }

    test(`one that is denied stops at both ends, ${version}`, async () => {
      await world.setPolicies({ ...egress, ...ingress });
      assert.equal(await connect('denied'), 'connected');
      assert.equal(await world.peers.client.ask('denied', 'before'), 'before');
      await world.setPolicies({ ...egress, web: CLOSED });
      const { bytes } = await world.peers.web.served();
      assert.notEqual(await world.peers.client.ask('denied', 'after', PATIENCE_MS), 'after');
      assert.equal((await world.peers.web.served()).bytes, bytes);
      await world.setPolicies({ client: CLOSED });
      assert.equal(await connect('refused', { patienceMs: PATIENCE_MS }), 'timeout');
      await world.peers.client.close('denied');
    });

    for (const [side, policies] of [
      ['egress', egress],
      ['ingress', ingress],
    ] as const) {
      test(`without a proxy nothing gets by it, and all works when it is back: ${side}, ${version}`, async () => {
        await world.setPolicies(policies);
        assert.equal(await connect('open'), 'connected');
        assert.equal(await world.peers.client.ask('open', 'before'), 'before');
        await world.proxy.kill();
        assert.match(await world.peers.client.ended('open'), /^(end|ECONNRESET)$/);
        await world.peers.client.close('open');
        const served = await world.peers.web.served();
        const dropped = world.counted('dropped-no-proxy');
        const opened = world.opened();
        assert.equal(await connect('none', { patienceMs: PATIENCE_MS }), 'timeout');
        assert.deepEqual(await world.peers.web.served(), served);
        assert.equal(world.opened(), opened, 'nobody tried to open one');
        assert.ok(world.counted('dropped-no-proxy') > dropped);
        await world.startProxy();
        assert.equal(await connect('back'), 'connected');
        assert.equal(await world.peers.client.ask('back', 'here'), 'here');
        await world.peers.client.close('back');
      });

      const slot = side === 'egress' ? EGRESS_SLOT : INGRESS_SLOT;
      const closings: readonly { readonly what: string; close(): Promise<void> | void; open(): Promise<void> | void }[] = [
        {
          what: 'its listener is not ready',
          close: () => world.setRedirects({ ...slot, ready: false }),
          open: () => world.setRedirects(slot),
        },
        {
          what: 'it has no listener',
          close: () => world.datapath.redirects.remove([slotName(slot)]),
          open: () => world.setRedirects(slot),
        },
        {
          what: 'nothing steers',
          close: () => world.datapath.detachSteering(),
          open: () => world.datapath.attachSteering(world.steeringDevice),
        },
      ];
      for (const { what, close, open } of closings) {
        test(`a slot drops while ${what}: ${side}, ${version}`, async () => {
          await world.setPolicies(policies);
          assert.equal(await connect('open'), 'connected');
          assert.equal(await world.peers.client.ask('open', 'before'), 'before');
          const { bytes } = await world.peers.web.served();
          await close();
          const opened = world.opened();
          const dropped = world.counted('dropped-slot');
          assert.equal(await world.peers.client.ask('open', 'during', PATIENCE_MS), 'timeout');
          assert.equal(await connect('none', { patienceMs: PATIENCE_MS }), 'timeout');
          assert.equal(world.opened(), opened, 'nobody tried to open one');
          assert.equal((await world.peers.web.served()).bytes, bytes);
          assert.ok(world.counted('dropped-slot') > dropped);
          await open();
          assert.equal(await connect('again'), 'connected');
          assert.equal(await world.peers.client.ask('again', 'here'), 'here');
          // What was said meanwhile comes later, maybe before this is said.
          assert.match(await world.peers.client.ask('open', 'later'), /^during|^later/);
          const said = bytes + 'here\nduring\nlater\n'.length;
          await eventually(async () => assert.equal((await world.peers.web.served()).bytes, said));
          await world.peers.client.close('again');
          await world.peers.client.close('open');
        });
      }

      test(`goes on while another process takes over: ${side}, ${version}`, async () => {
        await world.setPolicies(policies);
        assert.equal(await connect('open'), 'connected');
        assert.equal(await world.peers.client.ask('open', 'before'), 'before');
        const kept = [...world.datapath.redirects.entries()];
        const writtenBefore = [...world.datapath.verdicts.entries(side === 'egress' ? CLIENT : WEB)];
        await world.reopen();
        assert.equal(await world.peers.client.ask('open', 'between'), 'between');
        assert.deepEqual(new Set(world.datapath.redirects.entries()), new Set(kept));
        await world.setPolicies(policies);
        const written = [...world.datapath.verdicts.entries(side === 'egress' ? CLIENT : WEB)];
        assert.deepEqual(
          written.map(({ slot: port }) => port),
          writtenBefore.map(({ slot: port }) => port),
        );
        assert.equal(world.datapath.steering(), world.steeringDevice);
        assert.equal(await world.peers.client.ask('open', 'after'), 'after');
        await world.peers.client.close('open');
      });

      test(`a listener that is not the slot's is given nothing: ${side}, ${version}`, async () => {
        const foreign = { direction: side, port: side === 'egress' ? 10_500 : 10_501 } as const;
        if (family === 0) await world.peers.node.serve(foreign.port);
        await world.setRedirects(foreign);
        await world.setPolicies(side === 'egress' ? { client: steered(foreign, WEB) } : { web: steered(foreign, CLIENT) });
        const { connections } = await world.peers.node.served();
        const opened = world.opened();
        assert.equal(await connect('none', { patienceMs: PATIENCE_MS }), 'timeout');
        assert.equal((await world.peers.node.served()).connections, connections);
        assert.equal(world.opened(), opened);
        await world.setPolicies({});
        await world.datapath.redirects.remove([slotName(foreign)]);
      });
    }

    test(`what is allowed beside a slot goes by no proxy, ${version}`, async () => {
      await world.setPolicies({ client: closedBut(allow(WEB, WEB_PORT)) });
      const { length } = await world.proxy.connections();
      assert.equal(await connect('beside'), 'connected');
      assert.equal(await world.peers.client.ask('beside', 'it'), 'it');
      assert.equal((await world.proxy.connections()).length, length);
      await world.peers.client.close('beside');
    });
  }
});
