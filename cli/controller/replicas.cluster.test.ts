import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEvent, readAuditLog } from '../../testkit/audit-log.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { Load } from '../../testkit/load/load.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import type { ClusterProcess } from '../../testkit/plain-cluster.ts';

enterOwnNetwork();

/** The lease, and what a replica that waits takes to look again. */
const LEASE_MS = 15_000;
const TAKES_OVER_MS = LEASE_MS + 2 * 4_400;
/** More than the lease: another one leads when the stopped one goes on. */
const STOPPED_MS = 26_000;
const MOVES = 10;
const WRITTEN_AT_STOP = 20;
/** Of leadership, and of objects other than the Lease, in all that happens here. */
const MIN_TERMS = 4;
const MIN_WRITES = 40;

describe('replicas of the controller', needs('cluster', 'envoy', 'root'), () => {
  let world: ClusterWorld;
  let load: Load;
  let port = 0;
  before(async () => {
    // They write different things, so it shows who wrote, and if they took turns.
    const settings = ['a', 'b'].map((replica) => ({
      ingress: { service: { copiedPrefixes: [`${replica}.test`] } },
      http: { xffTrustedHops: replica === 'a' ? 0 : 1 },
    }));
    world = await ClusterWorld.start({ audit: true, settings });
    await world.addBackend('one');
    port = await world.addIngress('web', 'one');
    load = world.load(world.target('web', port, 'one'));
  });
  after(async () => {
    await load.stop();
    await world[Symbol.asyncDispose]();
  });

  const other = (one: ClusterProcess) => {
    const found = world.controllers.find((controller) => controller !== one);
    assert.ok(found);
    return found;
  };
  const noFailures = (t: TestContext, what: string) => {
    t.diagnostic(`${what}; ${load.sent} requests so far`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
  };

  test('two versions at once: a node that moves between them loses nothing, and stays where it is', async (t) => {
    const [first, second] = world.controllers;
    assert.ok(first && second);
    assert.notEqual(await first.snapshot(), await second.snapshot());
    for (let move = 0; move < MOVES; move += 1) {
      const to = move % 2 === 0 ? first : second;
      world.forwarder.setTargets(world.cluster.xdsPort(to));
      await eventually(async () => assert.deepEqual(await connectedNodes(to), ['node-1']));
    }
    world.forwarder.setTargets(...world.controllers.map((controller) => world.cluster.xdsPort(controller)));
    const since = (await world.agent.status()).relay?.since;
    const sentBefore = load.sent;
    await sleep(3_000);
    assert.equal((await world.agent.status()).relay?.since, since, 'it moved by itself');
    assert.ok(load.sent - sentBefore > 100, 'there was no load');
    noFailures(t, `${MOVES} moves`);
  });

  test('one that does not lead serves nodes', async (t) => {
    const follower = other(await world.leader());
    world.forwarder.setTargets(world.cluster.xdsPort(follower));
    await eventually(async () => assert.deepEqual(await connectedNodes(follower), ['node-1']));
    await world.addIngress('by-follower', 'one');
    world.forwarder.setTargets(...world.controllers.map((controller) => world.cluster.xdsPort(controller)));
    noFailures(t, 'a new Ingress was served');
  });

  test('a graceful stop hands over at once', async (t) => {
    const leader = await world.leader();
    // What it is writing is not finished when it is told to stop.
    const names = Array.from({ length: WRITTEN_AT_STOP }, (_, index) => `at-stop-${index}`);
    await world.apply(...names.map((name) => ingressManifest(name, { rules: { [`${name}.test`]: 'one' } })));
    const startedAt = performance.now();
    await leader.end('SIGTERM');
    await eventually(async () => assert.ok((await other(leader).status()).cluster?.isLeader));
    const took = Math.round(performance.now() - startedAt);
    assert.ok(took < 8_000, `took ${took} ms`);
    for (const name of names) await world.portOf(name);
    leader.startAgain();
    await leader.untilReady();
    noFailures(t, `handed over in ${took} ms`);
  });

  test('after kill -9 of the leader the other takes over and finishes', async (t) => {
    const leader = await world.leader();
    const startedAt = performance.now();
    await leader.end();
    const adding = world.addIngress('left-over', 'one');
    await eventually(async () => assert.ok((await other(leader).status()).cluster?.isLeader), { withinMs: TAKES_OVER_MS });
    const took = Math.round(performance.now() - startedAt);
    await adding.catch(async () => await world.addIngress('left-over', 'one'));
    leader.startAgain();
    await leader.untilReady();
    noFailures(t, `took over in ${took} ms`);
  });

  test('a leader that was stopped for longer than its lease writes nothing when it goes on', async (t) => {
    const stopped = await world.leader();
    const next = other(stopped);
    stopped.command.signal('SIGSTOP');
    await eventually(async () => assert.ok((await next.status()).cluster?.isLeader), { withinMs: STOPPED_MS });
    await world.addIngress('meanwhile', 'one');
    const before = writes(world).length;
    stopped.command.signal('SIGCONT');
    await eventually(async () => assert.equal((await stopped.status()).cluster?.isLeader, false));
    await world.addIngress('afterwards', 'one');
    const written = writes(world).slice(before);
    assert.ok(written.length > 0, 'nobody wrote anything');
    t.diagnostic(`${written.length} writes after it went on, none twice`);
    assert.equal((await next.status()).cluster?.isLeader, true);
    const twice = written.filter((write, index) => written.indexOf(write) !== index);
    assert.deepEqual(twice, [], 'something was written twice');
    noFailures(t, `stopped and went on`);
  });

  test('at any time only the one wrote that held the Lease', (t) => {
    const events = readAuditLog(world.cluster.plane.auditLog).filter(isByReplica);
    const terms = events.filter(({ objectRef, responseStatus }) => objectRef?.resource === 'leases' && responseStatus.code < 300);
    const others = events.filter(({ objectRef }) => objectRef?.resource !== 'leases');
    const changes = terms.filter(({ userAgent }, index) => userAgent !== terms[index - 1]?.userAgent);
    const wrong = others.filter(({ userAgent, requestReceivedTimestamp: at }) => {
      // A Lease that is written is in force before its writer knows.
      const lease = terms.findLast(({ stageTimestamp }) => stageTimestamp <= at);
      return lease?.userAgent !== userAgent;
    });
    t.diagnostic(
      `${others.length} writes by ${new Set(others.map(({ userAgent }) => userAgent)).size} replicas in ${changes.length} terms`,
    );
    assert.ok(changes.length >= MIN_TERMS && others.length >= MIN_WRITES, `${changes.length} terms, ${others.length} writes`);
    assert.equal(new Set(others.map(({ userAgent }) => userAgent)).size, 2, 'only one replica ever wrote');
    assert.deepEqual(wrong.map(describeWrite), []);
  });
});

async function connectedNodes(controller: ClusterProcess): Promise<readonly string[]> {
  return (await controller.status()).clients.map(({ node }) => node);
}

/** What was written with our field manager, in order. */
function writes(world: ClusterWorld): readonly string[] {
  return readAuditLog(world.cluster.plane.auditLog)
    .filter(({ verb, requestURI }) => verb === 'patch' && /fieldManager=sluice\b/.test(requestURI))
    .map(({ objectRef }) => `${objectRef?.resource}/${objectRef?.name}/${objectRef?.subresource}`);
}

function isByReplica({ verb, userAgent }: AuditEvent): boolean {
  return ['create', 'update', 'patch', 'delete'].includes(verb) && userAgent.startsWith('sluice-controller/');
}

function describeWrite({ verb, requestURI, userAgent, requestReceivedTimestamp }: AuditEvent): string {
  return `${userAgent}: ${verb} ${requestURI} at ${new Date(requestReceivedTimestamp).toISOString()}`;
}
