import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exampleFlow, exampleResponse } from '../testing/example-flow.ts';
import { RelatedTraces } from '../tracing/related-traces.ts';
import { readExportFilters } from './export-filters.ts';
import { toldFlow } from './told-flow.ts';

const REQUEST = {
  kind: 'http',
  type: 'request',
  method: 'GET',
  url: 'http://api/v1/users',
  protocol: 'HTTP/1.1',
  headers: [],
} as const;

describe('a flow that a collector is told of', () => {
  test('is a span of the client where it is a request, and of the server where it is a response', () => {
    const traces = new RelatedTraces();
    const [begun, request, response] = [exampleFlow(), exampleFlow({ kind: 'exchange', l7: REQUEST }), exampleResponse(200)].map((flow) =>
      toldFlow(flow, traces),
    );
    assert.deepEqual([begun?.kind, request?.kind, response?.kind], ['internal', 'client', 'server']);
    assert.equal(new Set([begun?.traceId, request?.traceId, response?.traceId]).size, 1, 'they are of one trace');
    assert.equal(response && response.end - response.begin, 2_500_000n);
    assert.deepEqual([request?.name, begun?.name], ['GET', 'connection-begun']);
  });

  test("has the application's trace where it has one", () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const parentSpanId = '00f067aa0ba902b7';
    const told = toldFlow(exampleFlow({ traceId, parentSpanId }), new RelatedTraces());
    assert.deepEqual([told.traceId, told.parentSpanId], [traceId, parentSpanId]);
    assert.equal(toldFlow(exampleFlow({ traceId }), new RelatedTraces()).parentSpanId, undefined);
  });

  test('says who, what and why', () => {
    const dropped = exampleFlow({
      kind: 'packet-dropped',
      verdict: 'dropped',
      reason: 'dropped-not-allowed',
      decidedBy: [{ kind: 'CiliumNetworkPolicy', namespace: 'back', name: 'api' }],
    });
    const { attributes, isRefused, summary } = toldFlow(dropped, new RelatedTraces());
    assert.equal(isRefused, true);
    assert.match(summary, /^shop\/web-1:40000 -> back\/api-7:8080 TCP \(dropped\)$/);
    assert.partialDeepStrictEqual(attributes, {
      'hubble.verdict': 'dropped',
      'hubble.drop_reason': 'POLICY_DENIED',
      'hubble.decided_by': ['CiliumNetworkPolicy/back/api'],
      'hubble.source.pod': 'web-1',
      'hubble.source.identity': 300,
      'hubble.destination.service': 'back/api',
      'source.address': '10.0.0.1',
      'destination.port': 8080,
      'network.transport': 'tcp',
      'k8s.node.name': 'n1',
    });
    assert.partialDeepStrictEqual(toldFlow(exampleResponse(503), new RelatedTraces()).attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 503,
      'url.full': 'http://api/v1/users',
      'network.protocol.version': '1.1',
      'http.response.header.x-tenant': ['blue'],
    });
  });
});

for (const [method, name, original] of [
  ['PATCH', 'PATCH', undefined],
  ['BREW', '_OTHER', 'BREW'],
  ['get', '_OTHER', 'get'],
  ['', '_OTHER', undefined],
] as const) {
  test(`of the method ${JSON.stringify(method)}, that is one of few names`, () => {
    const told = toldFlow(exampleFlow({ kind: 'exchange', l7: { ...REQUEST, method } }), new RelatedTraces());
    assert.deepEqual(
      [told.name, told.attributes['http.request.method'], told.attributes['http.request.method_original']],
      [name, name, original],
    );
  });
}

const DROPPED = exampleFlow({ verdict: 'dropped', reason: 'dropped-not-allowed' });
const FILTERS = [
  { allow: [], deny: [], told: [true, true] },
  { allow: ['{"verdict":["DROPPED"]}'], deny: [], told: [false, true] },
  { allow: ['{"verdict":["DROPPED"]}', '{"source_pod":["shop/web"]}'], deny: [], told: [true, true] },
  { allow: [], deny: ['{"verdict":["DROPPED"]}'], told: [true, false] },
  { allow: ['{"source_pod":["shop/web"]}'], deny: ['{"verdict":["FORWARDED"]}'], told: [false, true] },
] as const;

for (const { allow, deny, told } of FILTERS) {
  test(`of ${JSON.stringify(allow)} without ${JSON.stringify(deny)}`, () => {
    const filters = readExportFilters({ allow, deny });
    assert.ok('matches' in filters);
    assert.deepEqual([exampleFlow(), DROPPED].map(filters.matches), told);
  });
}

test('a filter that is none is refused with its place', () => {
  const wrong = readExportFilters({ allow: ['{}'], deny: ['{}', '{"verdict":["MAYBE"]}'] });
  assert.ok('problem' in wrong);
  assert.equal(wrong.field, 'deny[1]');
  assert.match(wrong.problem, /^is no filter of Hubble: .*MAYBE/);
});
