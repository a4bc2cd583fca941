import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { readAuditLog } from '../../testkit/audit-log.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ENFORCER_POD, othersDefinition } from '../../testkit/cilium-definitions.ts';
import { whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { httpConfigManifest, type Json, PORTS_ALLOWED } from '../../testkit/envoy-config-manifests.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type ManifestObject, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import { type ClusterProcess, PlainCluster } from '../../testkit/plain-cluster.ts';
import { freePort } from '../../testkit/ports.ts';
import { TcpForwarder } from '../../testkit/tcp-forwarder.ts';

enterOwnNetwork();

const WITHIN = { withinMs: 60_000 };
const SETTINGS = { policy: { enabled: true, services: false }, ...PORTS_ALLOWED };
const CONFIGS = '/apis/cilium.io/v2/namespaces/default/ciliumenvoyconfigs';
const NODES = { 'node-1': OWN_ADDRESS, 'node-2': '192.0.2.2' };

/** As Cilium's own, as far as that matters here: there is no status. */
const CLUSTERWIDE = othersDefinition({
  kind: 'CiliumClusterwideEnvoyConfig',
  plural: 'ciliumclusterwideenvoyconfigs',
  singular: 'ciliumclusterwideenvoyconfig',
});

const statusView = z.object({
  metadata: z.object({ generation: z.int(), resourceVersion: z.string(), uid: z.string() }),
  status: z
    .object({
      conditions: z.array(
        z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string(), observedGeneration: z.int() }),
      ),
      nodes: z.object({ programmed: z.int(), total: z.int() }).optional(),
      lastAccepted: z.object({ generation: z.int(), spec: z.unknown() }).optional(),
    })
    .prefault({ conditions: [] }),
});

type Told = z.output<typeof statusView>;

describe('what CiliumEnvoyConfigs are told', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  const controllers: ClusterProcess[] = [];
  let cluster: PlainCluster;
  let plane: ControlPlane;
  let forwarder: TcpForwarder;
  let port = 0;
  before(async () => {
    const options = { audit: true, settings: SETTINGS, apiServerFlags: [`--advertise-address=${OWN_ADDRESS}`] };
    cluster = cleanUp.use(await PlainCluster.start(options));
    plane = cluster.plane;
    port = await freePort();
    const backend = cleanUp.use(await Backend.start({ name: 'one', address: OWN_ADDRESS }));
    const endpoints = [{ addresses: [OWN_ADDRESS], conditions: { ready: true } }];
    await plane.apply([CLUSTERWIDE, ENFORCER_POD, serviceManifest('one'), sliceManifest('one', backend.port, { endpoints })]);
    const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
    const path = '/api/v1/namespaces/sluice-system/pods/sluice-enforcer-1/status';
    await plane.request(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { status: ready } });
    for (const name of ['a', 'b']) controllers.push(await cluster.startController(name));
    forwarder = cleanUp.use(await TcpForwarder.start());
    for (const controller of controllers) await controller.untilReady();
    await cluster.setNodes(NODES);
    await asideOfLeader(async () => {
      for (const node of Object.keys(NODES)) await (await cluster.startAgent(node, forwarder.port)).untilReady();
    });
    await eventually(() => plane.kubectl('get', 'ciliumenvoyconfigs'), WITHIN);
  });
  after(() => cleanUp.disposeAsync());

  /** The one that leads last. */
  const byLead = async () => {
    const leads = await Promise.all(controllers.map(async (each) => (await each.status()).cluster?.isLeader === true));
    assert.ok(leads.includes(true), 'nobody leads');
    return controllers.toSorted((a, b) => Number(leads[controllers.indexOf(a)]) - Number(leads[controllers.indexOf(b)]));
  };

  /** So that whoever leads serves no node. */
  const asideOfLeader = async (connect: () => Promise<void>) => {
    const [follower, ...leaders] = await eventually(byLead, WITHIN);
    assert.ok(follower);
    forwarder.setTargets(cluster.xdsPort(follower));
    await connect();
    await eventually(async () => assert.equal((await follower.status()).clients.filter(({ synced }) => synced).length, 2), WITHIN);
    forwarder.setTargets(...[follower, ...leaders].map((each) => cluster.xdsPort(each)));
  };

  const told = async (name: string): Promise<Told> => statusView.parse(JSON.parse((await plane.request(`${CONFIGS}/${name}`)).body));
  const conditions = ({ status }: Told) =>
    Object.fromEntries(status.conditions.map(({ type, status, reason, message }) => [type, `${status} ${reason}: ${message}`]));
  /** Of the present version, all three. */
  const untilTold = (name: string, expected: Readonly<Record<string, string | RegExp>>): Promise<Told> =>
    eventually(async () => {
      const seen = await told(name);
      const found = conditions(seen);
      for (const [type, text] of Object.entries(expected)) {
        if (typeof text === 'string') assert.equal(found[type], text);
        else assert.match(found[type] ?? '', text);
      }
      assert.deepEqual([...new Set(seen.status.conditions.map((each) => each.observedGeneration))], [seen.metadata.generation]);
      return seen;
    }, WITHIN);
  const config = (name: string, at: number, cluster: Json = {}, service = 'one'): ManifestObject =>
    httpConfigManifest(name, {
      port: at,
      routes: [{ match: { prefix: '/' }, route: { cluster: service } }],
      clusters: { [service]: cluster },
    });
  const WRONG = { lbPolicy: 'SOMEHOW' };
  const statusWrites = () =>
    readAuditLog(plane.auditLog).filter(({ verb, objectRef }) => verb === 'patch' && objectRef?.subresource === 'status');
  const RIGHT = {
    Accepted: 'True Accepted: all of it can be served',
    ResolvedRefs: 'True ResolvedRefs: all that it names is there',
    Programmed: 'True Programmed: 2 of 2 nodes',
  };

  test('that all is well, by the nodes of all replicas, once', async () => {
    await plane.apply([config('shop', port)]);
    const { status, metadata } = await untilTold('shop', RIGHT);
    assert.deepEqual(status.nodes, { programmed: 2, total: 2 });
    assert.equal(status.lastAccepted?.generation, 1);
    assert.match(await plane.kubectl('get', 'cec'), /^shop +True +True +2/m);
    await plane.kubectl('wait', '--for=condition=Programmed', 'cec/shop', '--timeout=10s');
    const connected = await Promise.all((await byLead()).map(async (each) => (await each.status()).clients.map(({ node }) => node).sort()));
    assert.deepEqual(connected, [['node-1', 'node-2'], []]);
    const [follower, leader] = await Promise.all((await byLead()).map(async (each) => (await each.status()).configs?.[0]));
    assert.deepEqual([leader?.name, leader?.accepted.status, leader?.nodes], ['shop', 'True', status.nodes]);
    assert.deepEqual([follower?.name, follower?.accepted.status, follower?.programmed], ['shop', 'True', undefined]);
    await sleep(3_000);
    assert.equal((await told('shop')).metadata.resourceVersion, metadata.resourceVersion);
  });

  test('that what they name is not there', async () => {
    await plane.apply([config('nowhere', 0, {}, 'absent')]);
    await untilTold('nowhere', { ResolvedRefs: /^False BackendServiceNotFound: .*Service default\/absent is not there$/ });
    await plane.kubectl('delete', 'cec', 'nowhere');
  });

  test('what is wrong, and that what was right stays, whoever is restarted', async () => {
    await plane.apply([config('shop', port, WRONG)]);
    const expected = {
      Accepted:
        /^False InvalidEnvoyConfig: spec\.resources\[2\]\.lbPolicy: .*; what it said when it was right stays in force \(generation 1\)$/,
      Programmed: 'True Programmed: 2 of 2 nodes have what it said when it was right',
    };
    assert.equal((await untilTold('shop', expected)).status.lastAccepted?.generation, 1);
    assert.equal(await whoAnswersAt(port), 'one');
    await Promise.all(controllers.map((controller) => controller.end('SIGTERM')));
    for (const controller of controllers) controller.startAgain();
    for (const controller of controllers) {
      await controller.untilReady();
      assert.match(await controller.snapshot(), /default\/shop\/web/);
    }
    await eventually(async () => {
      const clients = await Promise.all(controllers.map(async (controller) => (await controller.status()).clients));
      assert.deepEqual(clients.flat().filter(({ synced }) => synced).length, 2);
    }, WITHIN);
    assert.equal(await whoAnswersAt(port), 'one');
    await untilTold('shop', expected);
    await plane.apply([config('shop', port)]);
    assert.equal((await untilTold('shop', RIGHT)).status.lastAccepted?.generation, 3);
  });

  test('which node refuses what, in its words, and that is not remembered as right', async () => {
    await asideOfLeader(async () => {});
    await using taken = await Backend.start({ name: 'other' });
    await plane.apply([config('alone', taken.port), config('shop', taken.port, { connectTimeout: '77s' })]);
    const alone = await untilTold('alone', {
      Programmed:
        /^False RejectedByEnvoy: 0 of 2 nodes; Envoys of 2 nodes \(node-1, node-2\) refuse Listener "web" \(spec\.resources\[0\]\): .*Address already in use$/,
    });
    assert.deepEqual(alone.status.nodes, { programmed: 0, total: 2 });
    assert.equal(alone.status.lastAccepted, undefined);
    const fields = ['--field-selector=reason=RejectedByEnvoy,regarding.name=alone', '-o=jsonpath={.items[*].note}'];
    await eventually(async () => assert.match(await plane.kubectl('get', 'events.events.k8s.io', ...fields), /refused Listener/), WITHIN);
    // It was served before, so it is as it was then.
    const { status, metadata } = await untilTold('shop', {
      Accepted:
        /^False RejectedByEnvoy: spec\.resources\[0\]: Envoy "node-\d" refused Listener .*Address already in use.*; what it said when it was right stays in force \(generation 3\)$/s,
      Programmed: 'True Programmed: 2 of 2 nodes have what it said when it was right',
    });
    assert.equal(metadata.generation, 4);
    assert.equal(status.lastAccepted?.generation, 3);
    assert.equal(await whoAnswersAt(port), 'one');
    const [, leader] = await byLead();
    await leader?.end('SIGTERM');
    leader?.startAgain();
    await leader?.untilReady();
    // It knows by the status alone.
    assert.match((await leader?.snapshot()) ?? '', /default\/shop\/web/);
    assert.doesNotMatch((await leader?.snapshot()) ?? '', /"77s"/);
    await plane.apply([config('shop', port)]);
    await untilTold('shop', RIGHT);
  });

  test('anew where they are made anew', async () => {
    const before = await told('shop');
    await plane.kubectl('delete', 'cec', 'shop');
    await plane.apply([config('shop', port, WRONG)]);
    const after = await untilTold('shop', {
      Accepted: /^False InvalidEnvoyConfig: .*; none of it is served$/,
      Programmed: 'False NotAccepted: none of it is served',
    });
    assert.notEqual(after.metadata.uid, before.metadata.uid);
    assert.equal(after.status.lastAccepted, undefined);
    await eventually(() => assert.rejects(whoAnswersAt(port)), WITHIN);
  });

  test('nothing where there is no room for it', async () => {
    const { spec } = { spec: {}, ...config('wide', port) };
    await plane.apply([{ apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideEnvoyConfig', metadata: { name: 'wide' }, spec }]);
    await eventually(async () => assert.equal(await whoAnswersAt(port), 'one'), WITHIN);
    await plane.apply([config('shop', port, WRONG, 'two')]);
    await untilTold('shop', { Accepted: /^False InvalidEnvoyConfig/ });
    assert.deepEqual(
      statusWrites().filter(({ objectRef }) => objectRef?.resource === 'ciliumclusterwideenvoyconfigs'),
      [],
    );
    const lines = controllers.flatMap(({ command }) => command.stderr.split('\n').filter((line) => line.includes('has no status')));
    assert.ok(lines.length > 0 && lines.length <= controllers.length, lines.join('\n'));
  });

  test('by the one that leads', () => {
    const leases = readAuditLog(plane.auditLog).filter(
      ({ objectRef, verb, responseStatus }) =>
        objectRef?.resource === 'leases' && objectRef.namespace === 'sluice-system' && verb !== 'get' && responseStatus.code < 300,
    );
    const writes = statusWrites().filter(({ objectRef }) => objectRef?.resource === 'ciliumenvoyconfigs');
    const wrong = writes.filter(
      ({ userAgent, requestReceivedTimestamp: at }) =>
        leases.findLast(({ stageTimestamp }) => stageTimestamp <= at)?.userAgent !== userAgent,
    );
    assert.deepEqual(wrong, []);
    assert.ok(writes.length >= 8 && writes.length <= 40, `${writes.length} writes`);
    // One may be gone by then.
    assert.deepEqual(
      writes.filter(({ responseStatus: { code } }) => code !== 200 && code !== 404),
      [],
    );
  });
});
