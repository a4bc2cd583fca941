import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FlowRing } from '../../flows/index.ts';
import { SLOT_OPTIONS, SlotScene } from '../../l7-filters/envoy/testing/slot-scene.ts';
import { httpSlot } from '../../l7-filters/envoy/testing/slots.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { RpcServer, SnapshotCache } from '../../xds-server/serve/index.ts';
import { ACCESS_LOG_METHODS, AccessLogIntake } from '../access-logs/access-log-intake.ts';
import { flowsOfLog } from './from-envoy.ts';
import { NodeDirectory } from './node-directory.ts';
import { SlotDecisions } from './slot-decisions.ts';

/** By what Envoy's router tells a server which path it has changed, others may say anything. */
const ORIGINAL_PATH = 'x-envoy-original-path';

describe('what Envoy tells of requests by a slot', needs('envoy'), () => {
  const cleanUp = new AsyncDisposableStack();
  const ring = new FlowRing(100);
  let port: number;
  before(async () => {
    const cache = new SnapshotCache();
    const directory = cleanUp.use(new NodeDirectory(cache));
    const context = { node: 'n1', directory, decisions: new SlotDecisions(cache), shownHeaders: new Set<string>() };
    const logs = new AccessLogIntake(assert.ifError);
    logs.add({
      hear: (log, entries) => {
        for (const flow of flowsOfLog(log, entries, context).flatMap((flowsOf) => flowsOf())) ring.add(flow);
      },
    });
    const rpc = new RpcServer();
    rpc.add(ACCESS_LOG_METHODS, logs);
    const backend = cleanUp.use(await Backend.start({ name: 'web' }));
    port = await freePort();
    const slot = httpSlot('web', [{ path: '/public/.*' }]);
    const options = { ...SLOT_OPTIONS, logsRequests: true };
    cleanUp.use(await SlotScene.start([{ slot, port, backendPort: backend.port, options }], { rpc }));
    await eventually(() => ask('/'));
    await eventually(() => assert.equal(ring.seen, 1));
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (path: string) => await requestHttp1({ port, host: 'web.test', path, headers: { [ORIGINAL_PATH]: '/healthz' } });

  for (const [path, status, verdicts] of [
    ['/public/one', 200, ['forwarded', 'forwarded']],
    ['/admin', 403, ['dropped']],
  ] as const) {
    test(`a request for ${path} is for that, whatever its client says: ${status}`, async () => {
      const before = ring.seen;
      assert.equal((await ask(path)).status, status);
      await eventually(() => assert.equal(ring.seen, before + verdicts.length));
      const flows = verdicts.map((_, index) => ring.at(before + index));
      assert.deepEqual(
        flows.map((flow) => [flow?.verdict, flow?.l7?.kind === 'http' && flow.l7.url]),
        verdicts.map((verdict) => [verdict, `http://web.test${path}`]),
      );
    });
  }
});
