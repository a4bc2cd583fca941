import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { REQUEST_LOG } from '../../xds-server/serve/index.ts';
import { bothLogs } from './both-logs.ts';

const named = (...names: readonly string[]) => names.map((name) => create(AccessLogSchema, { name }));

for (const [what, own, ofRules, expected] of [
  ['each request is told of once, as rules have it', ['own', REQUEST_LOG], ['denied', REQUEST_LOG], ['own', 'denied', REQUEST_LOG]],
  ['rules that have nothing told of leave that to the listener', ['own', REQUEST_LOG], ['denied'], ['own', REQUEST_LOG, 'denied']],
] as const) {
  test(what, () => {
    const all = bothLogs(named(...own), named(...ofRules));
    assert.deepEqual(
      all.map(({ name }) => name),
      expected,
    );
  });
}
