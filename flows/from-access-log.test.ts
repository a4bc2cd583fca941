import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { RequestMethod } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import { HTTPAccessLogEntry_HTTPVersion, HTTPAccessLogEntrySchema } from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { flowsOfRequest } from './from-access-log.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const peerOf = (address: string) => ({ address, identity: 300, labels: [] });
const CONTEXT = {
  node: 'n1',
  directory: {
    peerOf,
    chosenFor: (asked: string, address: string) => ({ ...peerOf(address), service: { namespace: 'shop', name: asked } }),
  },
  direction: 'ingress',
  decidedBy: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'api' }],
  shownHeaders: new Set(['x-tenant', 'authorization', 'x-served-by']),
} as const;

function socket(address: string, portValue: number) {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: portValue } } } } as const;
}

type Entry = Exclude<MessageInitShape<typeof HTTPAccessLogEntrySchema>, { $typeName: string }>;

const ENTRY: Entry = {
  protocolVersion: HTTPAccessLogEntry_HTTPVersion.HTTP11,
  commonProperties: {
    startTime: { seconds: 100n, nanos: 5 },
    timeToLastDownstreamTxByte: { nanos: 2_000_000 },
    downstreamDirectRemoteAddress: socket('10.0.0.1', 40_000),
    downstreamLocalAddress: socket('10.0.0.2', 8080),
  },
  request: {
    requestMethod: RequestMethod.GET,
    scheme: 'http',
    authority: 'ann:secret@api.shop',
    path: '/v1/users?token=secret#secret',
    requestId: 'a-b',
    requestHeaders: {
      traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
      'X-Tenant': 'blue',
      authorization: 'Bearer secret',
      cookie: 'secret',
      'x-other': 'secret',
    },
  },
  response: { responseCode: 404, responseHeaders: { 'x-served-by': 'api-7', 'set-cookie': 'secret' } },
};

const flowsOf = (entry: Entry = ENTRY) => flowsOfRequest(create(HTTPAccessLogEntrySchema, entry), CONTEXT);

describe('a request and its response', () => {
  test('are two flows', () => {
    const [request, response, ...others] = flowsOf().map(({ uuid: _, ...flow }) => flow);
    const common = {
      node: 'n1',
      kind: 'exchange',
      verdict: 'forwarded',
      source: { address: '10.0.0.1', identity: 300, labels: [] },
      destination: { address: '10.0.0.2', identity: 300, labels: [] },
      protocol: 6,
      sourcePort: 40_000,
      destinationPort: 8080,
      direction: 'ingress',
      decidedBy: CONTEXT.decidedBy,
      traceId: TRACE,
      parentSpanId: 'b7ad6b7169203331',
      requestId: 'a-b',
    };
    const exchange = { kind: 'http', method: 'GET', url: 'http://api.shop/v1/users', protocol: 'HTTP/1.1' };
    assert.deepEqual(others, []);
    assert.deepEqual(request, {
      ...common,
      time: 100_000_000_005n,
      isReply: false,
      l7: {
        ...exchange,
        type: 'request',
        headers: [
          ['authorization', '***'],
          ['x-tenant', 'blue'],
          ['x-request-id', 'a-b'],
        ],
      },
    });
    assert.deepEqual(response, {
      ...common,
      source: common.destination,
      destination: common.source,
      sourcePort: 8080,
      destinationPort: 40_000,
      time: 100_002_000_005n,
      isReply: true,
      l7: { ...exchange, type: 'response', latency: 2_000_000n, code: 404, headers: [['x-served-by', 'api-7']] },
    });
  });

  for (const [what, requestHeaders, parentSpanId] of [
    ['is told', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` }, 'b7ad6b7169203331'],
    ['may be told', { b3: `${TRACE}-b7ad6b7169203331` }, 'b7ad6b7169203331'],
    ['is told to nobody', { traceparent: `00-${TRACE}-b7ad6b7169203331-00` }, undefined],
  ] as const) {
    test(`are of a trace whose span ${what}: ${parentSpanId === undefined ? 'below nothing' : 'below it'}`, () => {
      const flows = flowsOf({ ...ENTRY, request: { requestHeaders } });
      const expected = [TRACE, parentSpanId];
      assert.deepEqual(
        flows.map((flow) => [flow.traceId, flow.parentSpanId]),
        [expected, expected],
      );
    });
  }

  test('tell nobody what may be secret', () => {
    const told = JSON.stringify(flowsOf(), (_, value) => (typeof value === 'bigint' ? `${value}` : value));
    assert.doesNotMatch(told, /secret/);
  });

  test('are for the path that Envoy has, whatever the client says of another', () => {
    const asked = { ...ENTRY, request: { ...ENTRY.request, originalPath: '/healthz' } } as Entry;
    assert.deepEqual(
      flowsOf(asked).map(({ l7 }) => l7?.kind === 'http' && l7.url),
      ['http://api.shop/v1/users', 'http://api.shop/v1/users'],
    );
  });

  test('have no more of what is long than its beginning', () => {
    const long = 'a'.repeat(200_000);
    const [request, response] = flowsOf({
      ...ENTRY,
      request: { path: `/${long}`, authority: 'api', requestId: long, requestHeaders: { ':method': long, 'x-tenant': long } },
      response: { responseCode: 200, responseHeaders: { 'x-served-by': long } },
    });
    for (const l7 of [request?.l7, response?.l7]) {
      assert.ok(l7?.kind === 'http');
      assert.match(l7.url, /^http:\/\/api\/a+…$/);
      assert.deepEqual([l7.url.length, l7.method.length], [2_048, 32]);
      for (const [, value] of l7.headers) assert.ok(value.length <= 256);
    }
    assert.equal(request?.requestId?.length, 128);
  });

  test('hold nothing of what they do not have', () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const flows = Array.from({ length: 200 }, (_, index) => {
      const request = {
        path: `/users/of/number/${index}?${'q'.repeat(100_000)}`,
        authority: `${'a'.repeat(100_000)}@api.of.number.${index}`,
        requestHeaders: { 'x-amzn-trace-id': `Root=1-5759e988-${String(index).padStart(24, '1')};${'a'.repeat(100_000)}` },
      };
      return flowsOf({ ...ENTRY, request });
    });
    collect();
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 10_000_000, `${grown} bytes`);
    assert.equal(flows.length, 200);
  });

  test('are one where rules deny it', () => {
    const denied = { ...ENTRY, response: { responseCode: 403, responseCodeDetails: 'rbac_access_denied_matched_policy[none]' } };
    assert.deepEqual(
      flowsOf(denied).map(({ verdict, isReply }) => [verdict, isReply]),
      [['dropped', false]],
    );
  });

  test('pass in audit mode', () => {
    const metadata = { filterMetadata: { 'envoy.filters.http.rbac': { shadow_engine_result: 'denied' } } };
    const audited = { ...ENTRY, commonProperties: { ...ENTRY.commonProperties, metadata } } as Entry;
    assert.deepEqual(
      flowsOf(audited).map(({ verdict }) => verdict),
      ['audit', 'forwarded'],
    );
  });

  test('of which nothing is known are nobody’s', () => {
    const [request] = flowsOf({});
    assert.deepEqual([request?.source.address, request?.sourcePort, request?.l7?.kind], ['', 0, 'http']);
  });
});
