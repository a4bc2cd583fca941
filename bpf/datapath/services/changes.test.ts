import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ServicePortTranslation } from '../../../model/index.ts';
import { needs } from '../../../testkit/capabilities.ts';
import { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { cleanUpServices, listServiceAddresses, listServices, readServiceCounts, ServiceDatapath, translationProblem } from './index.ts';
import { changingServices, STEADY } from './testing/changing-services.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';

enterOwnNamespaces();

const OWNER = fileURLToPath(new URL('testing/owner-process.ts', import.meta.url));
const CONNECTIONS = 400;

/** Connects all the time while something goes on, and checks who answered. @returns how often */
async function askDuring(world: ServiceWorld, work: (isDone: () => boolean) => Promise<void>): Promise<number> {
  let running = 0;
  const asking = Object.keys(STEADY).map(async (address) => {
    running += 1;
    const client = world.join();
    const total = new Map<string, number>();
    for (let round = 0; round < 5; round += 1) {
      const { counts = {}, error } = await client.ask({ kind: 'tcp-many', address, port: 80, times: CONNECTIONS });
      for (const [what, times] of Object.entries({ ...counts, ...(error && { [error]: 1 }) }))
        total.set(what, (total.get(what) ?? 0) + times);
    }
    running -= 1;
    return total;
  });
  await work(() => running === 0);
  const counted = await Promise.all(asking);
  for (const [index, allowed] of Object.values<readonly string[]>(STEADY).entries()) {
    assert.deepEqual(
      new Set(counted[index]?.keys()),
      new Set(allowed),
      `of ${Object.keys(STEADY)[index]} answered ${JSON.stringify([...(counted[index] ?? [])])}`,
    );
  }
  return counted.reduce((sum, total) => sum + [...total.values()].reduce((all, times) => all + times, 0), 0);
}

function asUdp(service: ServicePortTranslation): ServicePortTranslation {
  return { ...service, frontends: service.frontends.map((frontend) => ({ ...frontend, protocol: 'UDP' })) };
}

async function startOwner(cgroup: string): Promise<ChildProcess> {
  const owner = fork(OWNER, [cgroup], { execPath: process.execPath });
  await once(owner, 'message');
  return owner;
}

async function endOwner(owner: ChildProcess): Promise<void> {
  const ended = once(owner, 'exit');
  owner.kill('SIGKILL');
  await ended;
}

describe('changes', needs('root', 'bpf'), () => {
  test('under constant connections: each gets a backend that its Service had or has', async () => {
    await using world = await ServiceWorld.start(changingServices(0));
    let turns = 0;
    const asked = await askDuring(world, async (isDone) => {
      while (!isDone()) {
        turns += 1;
        await world.datapath.apply({ set: changingServices(turns), removed: [`fleeting-${(turns + 2) % 4}`] });
      }
    });
    assert.equal(asked, 3 * 5 * CONNECTIONS);
    assert.ok(turns > 100, `${turns} changes`);
    const { inconsistent, refused } = readServiceCounts(PINS);
    assert.deepEqual({ inconsistent, refused }, { inconsistent: 0, refused: 0 });
  });

  test('under constant datagrams: each is answered by a backend that its Service had or has, as of the Service', async () => {
    const turnOf = (turn: number) => changingServices(turn).map(asUdp);
    await using world = await ServiceWorld.start(turnOf(0));
    let isDone = false;
    const asking = Object.entries<readonly string[]>(STEADY).map(async ([address, allowed]) => {
      const client = world.join();
      for (let turn = 0; turn < CONNECTIONS; turn += 1) {
        const { backend, peer, error } = await client.udp(`socket-${turn % 7}`, address, 80);
        assert.deepEqual(
          { peer, error, isAllowed: allowed.includes(backend ?? '') },
          { peer: `${address} 80`, error: undefined, isAllowed: true },
        );
      }
    });
    const changing = (async () => {
      for (let turn = 1; !isDone; turn += 1) await world.datapath.apply({ set: turnOf(turn), removed: [`fleeting-${(turn + 2) % 4}`] });
    })();
    try {
      await Promise.all(asking);
    } finally {
      isDone = true;
      await changing;
    }
    assert.equal(readServiceCounts(PINS).inconsistent, 0);
  });

  test('by one who is killed at any moment, again and again, harm no connection, and who comes next finishes them', async () => {
    await using world = await ServiceWorld.start(changingServices(0));
    let owners = 0;
    await askDuring(world, async (isDone) => {
      while (!isDone()) {
        const owner = await startOwner(world.cgroup.folder);
        owners += 1;
        await new Promise((resolve) => setTimeout(resolve, 20 + ((owners * 37) % 100)));
        await endOwner(owner);
      }
    });
    assert.ok(owners > 2, `${owners} owners`);
    world.datapath[Symbol.dispose]();
    world.datapath = await ServiceDatapath.open({ pinFolder: PINS });
    await world.datapath.reconcile(changingServices(7));
    await assertHolds(world, changingServices(7));
    assert.equal(readServiceCounts(PINS).inconsistent, 0);
  });

  test('that are none write nothing, by the same and by the next', async () => {
    const services = changingServices(1);
    await using world = await ServiceWorld.start(services);
    const nothing = { written: 0, deleted: 0 };
    assert.deepEqual(await world.datapath.apply({ set: services }), nothing);
    assert.deepEqual(await world.datapath.reconcile(services), nothing);
    world.datapath[Symbol.dispose]();
    world.datapath = await ServiceDatapath.open({ pinFolder: PINS });
    assert.deepEqual(await world.datapath.reconcile(services.toReversed()), nothing);
    world.datapath.attach(world.cgroup.folder);
    assert.equal((await world.client.tcp('192.0.2.1', 80)).error, undefined);
  });

  test('that cannot be written harm nothing, and can be made again', async () => {
    const services = [translation('it', { frontends: [['192.0.2.1', 80]], backends: [['10.1.0.1', 8080]] })];
    await using world = await ServiceWorld.start(services);
    const wrong = [{ frontends: [['nonsense', 80]] }, { frontends: [['192.0.2.3', 80]], backends: [['fe80::1%eth0', 80]] }] as const;
    for (const input of wrong) {
      const change = world.datapath.apply({ set: [translation('new', { frontends: [['192.0.2.3', 80]] }), translation('wrong', input)] });
      await assert.rejects(change, { code: 'invalid-translation' });
      assert.match(translationProblem(translation('wrong', input)) ?? '', /is no IP address/);
    }
    assert.match(translationProblem(translation('it', { frontends: [['192.0.2.3', 65_536]] })) ?? '', /65536, which is none/);
    assert.equal(services.map(translationProblem).join(''), '');
    const tooLong = translation('x'.repeat(256), { frontends: [['192.0.2.3', 80]] });
    await assert.rejects(world.datapath.apply({ set: [tooLong] }), { code: 'invalid-translation' });
    assert.equal((await world.client.tcp('192.0.2.1', 80)).backend, '10.1.0.1 8080');
    assert.deepEqual(await world.datapath.reconcile(services), { written: 0, deleted: 0 });
  });
});

test('nothing is left after cleaning up, whoever attached it, and twice', needs('root', 'bpf'), async () => {
  using cgroup = new Cgroup();
  const owner = await startOwner(cgroup.folder);
  await endOwner(owner);
  assert.notDeepEqual(readdirSync(PINS), []);
  for (let turn = 0; turn < 2; turn += 1) {
    cleanUpServices(PINS);
    assert.deepEqual(readdirSync(PINS), []);
  }
});

async function assertHolds(world: ServiceWorld, services: ReturnType<typeof changingServices>): Promise<void> {
  const wanted = services.map(({ name, frontends, backends, affinitySeconds }) => ({
    name,
    frontends,
    backends: backends.map((backend) => ({ ...backend, isDraining: false })),
    affinitySeconds,
  }));
  assert.deepEqual(
    await listServices(PINS),
    wanted.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  );
  assert.deepEqual(
    listServiceAddresses(PINS),
    services.flatMap(({ frontends }) => frontends).toSorted((a, b) => (a.address < b.address ? -1 : 1)),
  );
  assert.deepEqual(await world.datapath.reconcile(services), { written: 0, deleted: 0 });
}
