import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeIdentity } from '../../agent/identity/index.ts';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { issueCertificate, nodeProfile, readSigningRequest } from '../../pki/index.ts';
import { apiClientOf } from '../../testkit/api-client.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsConnection } from '../../testkit/xds/xds-connection.ts';
import { CLUSTER_TYPE, SnapshotCache, XdsServer } from '../../xds-server/serve/index.ts';
import { AuthorityKeeper, identifyNode, ServingIdentity } from './index.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const TIMES = { lifetimeMs: 12_000, announceMs: 1_500, retireMs: 5_000 };
/** Long enough that whole seconds, in which certificates count, do not matter. */
const LEAF_MS = 4_000;
const NAMESPACE = 'default';
/** A channel that shares no connection with others. */
const OWN_CONNECTION = { 'grpc.use_local_subchannel_pool': 1 } as const;

async function ask(target: string, identity: NodeIdentity): Promise<{ readonly connection: XdsConnection; readonly peer: DeltaPeer }> {
  const connection = new XdsConnection(target, OWN_CONNECTION, identity.credentials);
  const peer = new DeltaPeer(connection.open(ADS));
  peer.say({ node: { id: 'whoever' }, typeUrl: CLUSTER_TYPE });
  const outcome = await Promise.race([peer.nextAcked(), peer.stream.ended]);
  assert.ok('resources' in outcome, 'code' in outcome ? outcome.details : '');
  return { connection, peer };
}

test('authorities follow one another while a stream stays open, and every new connection succeeds', needs('cluster'), async (t) => {
  await using plane = await ControlPlane.start();
  await plane.kubectl('create', 'clusterrolebinding', 'trust', '--clusterrole=cluster-admin', `--serviceaccount=${NAMESPACE}:trust`);
  const client = apiClientOf(
    { server: plane.url, authority: plane.credentials.authority },
    await plane.serviceAccountToken(NAMESPACE, 'trust'),
  );
  using folder = new TemporaryFolder();
  const bundlePath = folder.join('ca.crt');
  const stop = new AbortController();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const keeper = new AuthorityKeeper({ client, namespace: NAMESPACE, times: TIMES, intervalMs: 100, onError });
  const keeping = keeper.run(stop.signal);
  await using serving = await ServingIdentity.open({ client, namespace: NAMESPACE, onError: () => {}, intervalMs: 100 });
  const authorities = new Set<string>();
  await using identity = NodeIdentity.open({
    folder: folder.path,
    bundlePath,
    requestCertificate: async (request) =>
      issueCertificate(serving.authority, await readSigningRequest(request), nodeProfile('node-1', LEAF_MS)),
    onError,
    bundleIntervalMs: 50,
  });
  const cache = new SnapshotCache();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => stop.abort());
  const server = new XdsServer({ cache, drainMs: 0 });
  cleanUp.defer(() => server.close(0));
  const port = await server.listen({ host: '127.0.0.1', port: 0, credentials: serving.credentials, identify: identifyNode });
  const followBundle = async () => {
    const { data } = JSON.parse((await plane.request(`/api/v1/namespaces/${NAMESPACE}/configmaps/sluice-ca`)).body);
    writeFileSync(bundlePath, data['ca.crt']);
    authorities.add(serving.authority.certificate);
  };
  await eventually(followBundle);
  cache.replace([modelResource(CLUSTER_TYPE, 'a', '1')]);
  await identity.ready();
  const open = await ask(`localhost:${port}`, identity);
  cleanUp.use(open.connection);
  let connections = 0;
  const end = Date.now() + 60_000;
  while (authorities.size < 3 && Date.now() < end) {
    await followBundle();
    const { connection, peer } = await ask(`localhost:${port}`, identity);
    peer.stream[Symbol.dispose]();
    connection[Symbol.dispose]();
    connections++;
    await sleep(50);
  }
  cache.replace([modelResource(CLUSTER_TYPE, 'a', '2')]);
  assert.deepEqual(wordsOf(await open.peer.nextAcked()), ['+a@2']);
  stop.abort();
  await keeping;
  assert.equal(authorities.size, 3);
  assert.ok(connections > 50, `${connections}`);
  assert.deepEqual(errors, []);
  t.diagnostic(`${connections} connections under ${authorities.size} authorities`);
});
