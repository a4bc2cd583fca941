import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { credentials } from '@grpc/grpc-js';
import { StreamAccessLogsMessageSchema } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import { FlowEvent_Kind } from '@sluice/envoy-protos/sluice/node/v1/flows_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FlowReporter } from '../../xds-server/relay/index.ts';
import { REQUEST_LOG, RpcServer, SnapshotCache, type ToldFlowEvent } from '../../xds-server/serve/index.ts';
import { NodeFlows } from './node-flows.ts';

/** Requests of paths, as Envoy logs them. */
function logOf(...paths: readonly string[]) {
  const logEntry = paths.map((path) => ({ request: { path, authority: 'api' } }));
  return create(StreamAccessLogsMessageSchema, { logEntries: { case: 'httpLogs', value: { logEntry } } }).logEntries;
}

function nodeFlows(cache: Pick<SnapshotCache, 'get' | 'ofType' | 'watch'> = new SnapshotCache()) {
  const failures: string[] = [];
  const onFailure = ({ message }: Error) => void failures.push(message);
  return { failures, flows: new NodeFlows({ node: 'n1', version: '1', capacity: 16, cache, onFailure }) };
}

describe('what goes wrong with a flow takes nothing else with it', () => {
  test('where who counts them throws', async () => {
    const { flows, failures } = nodeFlows();
    await using _flows = flows;
    const counted: string[] = [];
    flows.ring.watch(() => {
      throw new TypeError('no such metric');
    });
    flows.ring.watch(({ kind }) => counted.push(kind));
    const waiting = flows.ring.untilAdded(0, AbortSignal.timeout(10_000)).then(() => flows.ring.seen);
    flows.ofEnvoy.hear(REQUEST_LOG, logOf('/a', '/b'));
    assert.deepEqual(counted, ['exchange', 'exchange']);
    assert.equal(await waiting, 2);
    assert.deepEqual([flows.state().lost.agent, failures], [2, ['no such metric']]);
  });

  test('where one cannot be made', async () => {
    let asked = 0;
    const empty = new SnapshotCache();
    const get: SnapshotCache['get'] = (name) => {
      if (++asked === 1) throw new TypeError('no such address');
      return empty.get(name);
    };
    const { flows, failures } = nodeFlows({ get, ofType: (type) => empty.ofType(type), watch: (watcher) => empty.watch(watcher) });
    await using _flows = flows;
    flows.ofEnvoy.hear('slot', logOf('/a', '/b', '/c'));
    assert.deepEqual([flows.ring.seen, flows.state().lost.agent, failures], [2, 1, ['no such address']]);
  });

  test('where the enforcer tells what nobody here understands', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const { flows, failures } = nodeFlows();
    cleanUp.use(flows);
    const path = cleanUp.use(new TemporaryFolder()).join('agent.sock');
    const rpc = new RpcServer();
    cleanUp.defer(() => rpc.close(0));
    flows.hear(rpc);
    await rpc.listen({ path });
    const reporter = cleanUp.use(new FlowReporter({ upstream: { target: `unix:${path}`, credentials: credentials.createInsecure() } }));
    reporter.start();
    const [localAddress, remoteAddress] = [new Uint8Array(16), new Uint8Array(16)];
    const good: ToldFlowEvent = { kind: FlowEvent_Kind.BEGUN, localAddress, remoteAddress };
    for (const event of [good, { ...good, localAddress: new Uint8Array(3) }, { ...good, kind: 77 }, good]) reporter.add(event);
    await eventually(() => assert.equal(flows.ring.seen, 2));
    assert.deepEqual([flows.state().lost.agent, failures], [2, ['what the enforcer tells of a flow cannot be read']]);
  });
});
