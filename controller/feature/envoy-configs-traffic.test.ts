import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ask, ConfiguredSluice, sharesOf, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import {
  ALWAYS,
  extension,
  httpConfigManifest,
  httpFilterName,
  type Json,
  resource,
  tcpConfigManifest,
} from '../../testkit/envoy-config-manifests.ts';
import { echoOf } from '../../testkit/http-request.ts';
import { serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';

const ALL = { prefix: '/' };
const TO_A: Json = { match: ALL, route: { cluster: 'a' } };

/** The use cases of Cilium's documentation for one HTTP listener. */
describe('CiliumEnvoyConfigs', { ...needs('envoy'), timeout: 120_000 }, () => {
  const sluice = new ConfiguredSluice();
  /** Fails every request but each third. */
  let failures = 0;
  const failing = createServer((_request, response) => {
    failures += 1;
    response.writeHead(failures % 3 === 0 ? 200 : 503, { 'x-backend': 'failing' }).end();
  });

  before(async () => {
    await sluice.addBackends('a', 'b');
    const port = await new Promise<number>((resolve) => {
      failing.listen(0, '127.0.0.1', () => resolve((failing.address() as AddressInfo).port));
    });
    sluice.write('backend-failing.yaml', serviceManifest('failing'), sliceManifest('failing', port));
    await sluice.start();
  });
  after(async () => {
    await sluice.stop();
    failing.closeAllConnections();
    failing.close();
  });

  test('split traffic', async () => {
    const clusters = [
      { name: 'a', weight: 50 },
      { name: 'b', weight: 50 },
    ];
    const routes = [{ match: ALL, route: { weightedClusters: { clusters } } }];
    const port = await sluice.serve('split', (port) => httpConfigManifest('split', { port, routes, clusters: { a: {}, b: {} } }));
    const { a = 0, b = 0, ...others } = await sharesOf(100, () => whoAnswersAt(port));
    assert.deepEqual(others, {});
    assert.ok(a >= 20 && b >= 20, `${a} to ${b}`);
  });

  test('translate paths', async () => {
    const pattern = { regex: '^/shop/([^/]+)/(.*)$' };
    const routes = [
      { match: { prefix: '/old/' }, route: { cluster: 'a', prefixRewrite: '/new/' } },
      {
        match: { safeRegex: { regex: '/shop/.*' } },
        route: { cluster: 'a', regexRewrite: { pattern, substitution: '/v2/\\2/of/\\1' } },
      },
      TO_A,
    ];
    const port = await sluice.serve('paths', (port) => httpConfigManifest('paths', { port, routes, clusters: { a: {} } }));
    const asked = { '/old/x?y=1': '/new/x?y=1', '/shop/cart/items/7': '/v2/items/7/of/cart', '/other': '/other' };
    for (const [path, expected] of Object.entries(asked)) assert.equal(echoOf(await ask(port, path)).url, expected);
  });

  test('are told of names that no filter has, of which Envoy takes no notice', async () => {
    const abort = { abort: { httpStatus: 418, percentage: { numerator: 100 } } };
    const fault = (fields: Json) => extension('filters.http.fault.v3.HTTPFault', fields);
    const httpFilters = [{ ...fault({}), name: 'mine' }, extension('filters.http.router.v3.Router')];
    // Each at a path of its own.
    const [own, misspelt, byType] = ['mine', 'mime', 'envoy.filters.http.fault'];
    const routes = [own, misspelt, byType].map((name, index) => ({
      ...TO_A,
      match: { path: `/${index}` },
      typedPerFilterConfig: { [name]: fault(abort)['typedConfig'] },
    }));
    const port = await sluice.serve('names', (port) =>
      httpConfigManifest('names', { port, routes, clusters: { a: {} }, http: { httpFilters } }),
    );
    assert.deepEqual(await Promise.all(['/0', '/1', '/2'].map((path) => whoAnswersAt(port, path))), ['418', 'a', 'a']);
    const told = (await sluice.diagnostics()).map(({ code, path, message }) => [code, path.at(-3), path.at(-1), message]);
    const said = 'names no HTTP filter of the listeners that have these routes, so Envoy takes no notice of it';
    assert.deepEqual(told, [
      ['UnknownFilterName', 1, misspelt, `${said}; did you mean mine?`],
      ['UnknownFilterName', 2, byType, said],
    ]);
    await sluice.serve('names', (port) => httpConfigManifest('names', { port, routes: [TO_A], clusters: { a: {} } }), port);
    assert.deepEqual(await sluice.diagnostics(), []);
  });

  test('send again what failed', async () => {
    const retryPolicy = { retryOn: '5xx', numRetries: 3 };
    const routes = [
      { match: { prefix: '/bare' }, route: { cluster: 'failing' } },
      { match: ALL, route: { cluster: 'failing', retryPolicy } },
    ];
    const port = await sluice.serve('retries', (port) => httpConfigManifest('retries', { port, routes, clusters: { failing: {} } }));
    const statuses = async (path: string) => await sharesOf(12, async () => String((await ask(port, path)).status));
    assert.deepEqual(await statuses('/'), { 200: 12 });
    assert.deepEqual(await statuses('/bare'), { 200: 4, 503: 8 });
  });

  test('break circuits', async () => {
    const thresholds = [{ maxConnections: 1, maxPendingRequests: 1, maxRequests: 1 }];
    const port = await sluice.serve('circuits', (port) =>
      httpConfigManifest('circuits', { port, routes: [TO_A], clusters: { a: { circuitBreakers: { thresholds } } } }),
    );
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(port, '/?delay=300')));
    const refused = answers.filter(({ status }) => status === 503);
    assert.ok(refused.length > 0 && refused.length < 10, `${refused.length} of 10`);
    assert.deepEqual([...new Set(refused.map(({ headers }) => headers['x-envoy-overloaded']))], ['true']);
    assert.equal(await whoAnswersAt(port), 'a');
  });

  test('limit rates on the node', async () => {
    const limit = (maxTokens: number) => ({
      statPrefix: 'limit',
      tokenBucket: { maxTokens, fillInterval: '600s' },
      filterEnabled: ALWAYS,
      filterEnforced: ALWAYS,
    });
    const type = 'local_ratelimit.v3.LocalRateLimit';
    const own = { [httpFilterName(type)]: resource(`envoy.extensions.filters.http.${type}`, limit(1)) };
    const routes = [{ match: { path: '/costly' }, route: { cluster: 'a' }, typedPerFilterConfig: own }, TO_A];
    const port = await sluice.serve('limits', (port) =>
      httpConfigManifest('limits', { port, routes, clusters: { a: {} }, filters: { [type]: limit(3) } }),
    );
    assert.deepEqual(await sharesOf(5, () => whoAnswersAt(port)), { a: 3, 429: 2 });
    assert.deepEqual(await sharesOf(3, () => whoAnswersAt(port, '/costly')), { a: 1, 429: 2 });
  });

  test('inject faults', async () => {
    const percentage = { numerator: 100, denominator: 'HUNDRED' };
    const fault = {
      abort: { httpStatus: 418, percentage },
      delay: { fixedDelay: '0.05s', percentage },
      headers: [{ name: 'x-try', stringMatch: { exact: 'faults' } }],
    };
    const port = await sluice.serve('faults', (port) =>
      httpConfigManifest('faults', { port, routes: [TO_A], clusters: { a: {} }, filters: { 'fault.v3.HTTPFault': fault } }),
    );
    assert.equal(await whoAnswersAt(port), 'a');
    assert.equal(await whoAnswersAt(port, '/', { headers: { 'x-try': 'faults' } }), '418');
    assert.match(await sluice.envoyAdmin('/stats?filter=faults.fault'), /delays_injected: 1\n/);
  });

  test('change headers', async () => {
    const append = (key: string, value: string) => ({ header: { key, value }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' });
    const mutation = {
      mutations: {
        requestMutations: [{ append: append('x-added', 'by the filter') }, { remove: 'x-internal' }],
        responseMutations: [{ append: append('x-answer', '%RESPONSE_CODE%') }],
      },
    };
    const route: Json = {
      match: ALL,
      route: { cluster: 'a', hostRewriteLiteral: 'inside.test' },
      requestHeadersToRemove: ['cookie'],
      responseHeadersToAdd: [append('x-by', 'the route')],
    };
    const port = await sluice.serve('headers', (port) =>
      httpConfigManifest('headers', {
        port,
        routes: [route],
        clusters: { a: {} },
        filters: { 'header_mutation.v3.HeaderMutation': mutation },
      }),
    );
    const answer = await ask(port, '/', { headers: { 'x-internal': '1', cookie: 'a=b', 'x-kept': '1' } });
    const { headers } = echoOf(answer);
    const { host, cookie, 'x-internal': internal, 'x-added': added, 'x-kept': kept } = headers;
    assert.deepEqual(
      { host, cookie, internal, added, kept },
      { host: 'inside.test', cookie: undefined, internal: undefined, added: 'by the filter', kept: '1' },
    );
    assert.equal(answer.headers['x-answer'], '200');
    assert.equal(answer.headers['x-by'], 'the route');
  });

  test('lead connections on, and split them', async () => {
    const port = await sluice.serve('tcp', (port) => tcpConfigManifest('tcp', port, { cluster: 'a' }, { a: {} }));
    assert.equal(await whoAnswersAt(port), 'a');
    const clusters = [
      { name: 'a', weight: 1 },
      { name: 'b', weight: 1 },
    ];
    await sluice.serve('tcp', () => tcpConfigManifest('tcp', port, { weightedClusters: { clusters } }, { a: {}, b: {} }), port);
    const { a = 0, b = 0, ...others } = await sharesOf(60, () => whoAnswersAt(port));
    assert.deepEqual(others, {});
    assert.ok(a > 5 && b > 5, `${a} to ${b}`);
  });

  test('answer themselves, and by what a request says', async () => {
    const routes = [
      { match: { path: '/teapot' }, directResponse: { status: 418, body: { inlineString: 'short and stout' } } },
      { match: { prefix: '/moved' }, redirect: { hostRedirect: 'new.test', responseCode: 'PERMANENT_REDIRECT' } },
      { match: { ...ALL, headers: [{ name: 'x-canary', stringMatch: { exact: 'yes' } }] }, route: { cluster: 'b' } },
      TO_A,
    ];
    const port = await sluice.serve('answers', (port) => httpConfigManifest('answers', { port, routes, clusters: { a: {}, b: {} } }));
    const teapot = await ask(port, '/teapot');
    assert.deepEqual([teapot.status, teapot.body], [418, 'short and stout']);
    const { status, headers } = await ask(port, '/moved/x');
    assert.deepEqual([status, headers.location], [308, 'http://new.test/moved/x']);
    assert.equal(await whoAnswersAt(port, '/', { headers: { 'x-canary': 'yes' } }), 'b');
    assert.equal(await whoAnswersAt(port), 'a');
  });

  test('lead through a listener inside of Envoy', async () => {
    const address = { envoyInternalAddress: { serverListenerName: 'inner' } };
    const endpoints = [{ lbEndpoints: [{ endpoint: { address } }] }];
    const more = [
      resource('envoy.config.cluster.v3.Cluster', { name: 'inner', type: 'STATIC', loadAssignment: { clusterName: 'inner', endpoints } }),
      resource('envoy.config.listener.v3.Listener', {
        name: 'inner',
        internalListener: {},
        filterChains: [{ filters: [extension('filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: 'inner', cluster: 'b' })] }],
      }),
    ];
    const routes = [{ match: ALL, route: { cluster: 'inner' } }];
    const port = await sluice.serve('inner', (port) => httpConfigManifest('inner', { port, routes, clusters: { b: {} }, more }));
    assert.equal(await whoAnswersAt(port), 'b');
  });

  test('are all right together', async () => {
    assert.deepEqual(await sluice.findings(), []);
  });
});
