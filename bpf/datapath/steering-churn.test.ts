import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { CLIENT, CLOSED, WEB } from './testing/judged.ts';
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
} from './testing/steered-world.ts';
import type { ProxySlot } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const STEPS = 60;
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const PATIENCE_MS = 150;
const PAUSE_MS = 100;
const STREAMS = ['one', 'two', 'three'] as const;

/** Numbers from 0 up to below `end`. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randomOf(seed: number): (end: number) => number {
  let state = BigInt(seed);
  return (end) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 33n) % end;
  };
}

describe('while everything changes', needs('root', 'bpf', 'netns'), () => {
  let world: SteeredWorld;
  before(async () => {
    world = await SteeredWorld.open();
  });
  after(() => world?.[Symbol.asyncDispose]());

  for (const side of ['egress', 'ingress'] as const) {
    const slots: readonly ProxySlot[] = side === 'egress' ? [EGRESS_SLOT, OTHER_EGRESS_SLOT] : [INGRESS_SLOT, OTHER_INGRESS_SLOT];
    const policies = [
      ...slots.map((slot) => (side === 'egress' ? { client: steered(slot, WEB) } : { web: steered(slot, CLIENT) })),
      side === 'egress' ? { client: CLOSED } : { web: CLOSED },
    ];

    test(`a pod with slots of ${side} hears of nobody but the proxy, seed ${SEED}`, async () => {
      const random = randomOf(SEED);
      const pick = <T>(from: readonly T[]): T => {
        for (const picked of from.slice(random(from.length))) return picked;
        throw new RangeError('there is nothing to pick from');
      };
      /** Something that is missing for a while. */
      const without = async (take: () => Promise<void> | void, giveBack: () => Promise<void> | void) => {
        await take();
        await sleep(random(PAUSE_MS));
        await giveBack();
      };
      const steps: readonly (() => Promise<void> | void)[] = [
        () => world.setPolicies(pick(policies)),
        () => world.setPolicies(pick(policies)),
        () => world.setRedirects({ ...pick(slots), ready: random(2) === 0 }),
        () =>
          without(
            () => world.datapath.redirects.remove([slotName(pick(slots))]),
            () => world.setRedirects(...SLOTS),
          ),
        () =>
          without(
            () => world.proxy.kill(),
            () => world.startProxy(),
          ),
        () =>
          without(
            () => world.datapath.detachSteering(),
            () => world.datapath.attachSteering(world.steeringDevice),
          ),
      ];
      await world.setPolicies(pick(policies));
      const byAnybody = world.opened();
      const byOthers = world.opened('others');
      let isOver = false;
      const talk = async (name: string, family: number) => {
        const host = world.pods.web.addresses[family] ?? '';
        while (!isOver) {
          if ((await world.peers.client.connect(name, host, WEB_PORT, { patienceMs: PATIENCE_MS })) !== 'connected') continue;
          for (let line = 0; line < 20 && !isOver; line += 1) {
            if ((await world.peers.client.ask(name, `line ${line}`, PATIENCE_MS)) !== `line ${line}`) break;
          }
          await world.peers.client.close(name);
        }
      };
      const talking = STREAMS.map((name, index) => talk(`${side} ${name}`, index % 2));
      for (let step = 0; step < STEPS; step += 1) {
        await pick(steps)();
        await sleep(random(PAUSE_MS));
      }
      await world.setRedirects(...SLOTS);
      const [first] = policies;
      assert.ok(first);
      await world.setPolicies(first);
      for (const family of [0, 1] as const) {
        const name = `${side} last ${family}`;
        assert.equal(await world.peers.client.connect(name, world.pods.web.addresses[family], WEB_PORT), 'connected');
        assert.equal(await world.peers.client.ask(name, 'last'), 'last');
        await world.peers.client.close(name);
      }
      isOver = true;
      await Promise.all(talking);
      assert.equal(world.opened('others') - byOthers, 0, 'connections that were not of the proxy');
      assert.ok(world.opened() > byAnybody, 'and it did hear of somebody');
    });
  }
});
