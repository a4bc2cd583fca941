import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { RESERVED_IDENTITIES } from '../../../model/index.ts';
import { needs } from '../../../testkit/capabilities.ts';
import { BRIDGE_ADDRESSES } from './bridge.ts';
import { CLIENT, WEB } from './judged.ts';
import { NODE_ADDRESSES } from './pod-network.ts';
import { EGRESS_SLOT, INGRESS_SLOT, SteeredWorld, steered, WEB_PORT, type WorldPolicies } from './steered-world.ts';

/** Which of its addresses the node has towards its pods. */
const SOURCES_OF_NODE = { routed: ['169.254.1.1', NODE_ADDRESSES[1]], bridged: BRIDGE_ADDRESSES } as const;
/** More than fits into what is on its way at once. */
const LARGE = 3_000_000;

/** Tests of who may talk to whom by which slots, of pods that are joined to the node so. */
export function testTalks(links: 'routed' | 'bridged'): void {
  describe(`connections on which Envoy decides, of pods that are ${links}`, needs('root', 'bpf', 'netns'), () => {
    let world: SteeredWorld;
    before(async () => {
      world = await SteeredWorld.open(links);
    });
    after(() => world?.[Symbol.asyncDispose]());
    afterEach(() => world.setPolicies({}));

    /** One connection of a peer, with all that may be asked of it. @param slots the ports of the listeners that have it */
    async function talk(from: 'client' | 'node' | 'outside', address: string, source: string, slots: readonly number[]): Promise<void> {
      const peer = world.peers[from];
      const begun = (await world.proxy.connections()).length;
      assert.equal(await peer.connect('talk', address, WEB_PORT), 'connected');
      assert.equal((await peer.ask('talk', 'who')).split(' ')[0], source, 'the server sees the address of the client');
      assert.equal((await peer.ask('talk', `send ${LARGE}`)).length, LARGE);
      assert.equal((await peer.ask('talk', 'y'.repeat(LARGE))).length, LARGE);
      assert.equal(await peer.finish('talk'), 'bye', 'a half that has ended keeps the other open');
      const expected = slots.map((slot) => new RegExp(`^${slot} ${source}/\\d+ ${address}/${WEB_PORT}$`));
      const connections = (await world.proxy.connections()).slice(begun);
      assert.equal(connections.length, expected.length);
      for (const [index, pattern] of expected.entries()) assert.match(connections[index] ?? '', pattern);
    }

    for (const [family, version] of [
      [0, 'IPv4'],
      [1, 'IPv6'],
    ] as const) {
      const identityOfOutside = RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];
      const toWeb = steered(EGRESS_SLOT, WEB);
      const fromClient = steered(INGRESS_SLOT, CLIENT);
      const cases: readonly {
        readonly what: string;
        readonly from: 'client' | 'node' | 'outside';
        readonly to: 'web' | 'outside' | 'node';
        readonly policies: WorldPolicies;
        readonly slots: readonly number[];
      }[] = [
        { what: 'pod to pod, no slot', from: 'client', to: 'web', policies: {}, slots: [] },
        { what: 'pod to pod, egress', from: 'client', to: 'web', policies: { client: toWeb }, slots: [EGRESS_SLOT.port] },
        { what: 'pod to pod, ingress', from: 'client', to: 'web', policies: { web: fromClient }, slots: [INGRESS_SLOT.port] },
        {
          what: 'pod to pod, both',
          from: 'client',
          to: 'web',
          policies: { client: toWeb, web: fromClient },
          slots: [EGRESS_SLOT.port, INGRESS_SLOT.port],
        },
        {
          what: 'pod to outside',
          from: 'client',
          to: 'outside',
          policies: { client: steered(EGRESS_SLOT, identityOfOutside) },
          slots: [EGRESS_SLOT.port],
        },
        {
          what: 'outside to pod',
          from: 'outside',
          to: 'web',
          policies: { web: steered(INGRESS_SLOT, identityOfOutside) },
          slots: [INGRESS_SLOT.port],
        },
        {
          what: 'pod to its node',
          from: 'client',
          to: 'node',
          policies: { client: steered(EGRESS_SLOT, RESERVED_IDENTITIES.host) },
          slots: [EGRESS_SLOT.port],
        },
        { what: 'node to its pod', from: 'node', to: 'web', policies: { web: steered(INGRESS_SLOT, RESERVED_IDENTITIES.host) }, slots: [] },
      ];
      for (const { what, from, to, policies, slots } of cases) {
        test(`${what}, ${version}`, async () => {
          await world.setPolicies(policies);
          const addressOf = (name: typeof from | typeof to) => (name === 'node' ? NODE_ADDRESSES : world.pods[name].addresses)[family];
          const source = from === 'node' ? SOURCES_OF_NODE[links][family] : addressOf(from);
          await talk(from, addressOf(to), source, slots);
        });
      }
    }
  });
}
