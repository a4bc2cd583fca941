import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Flow, type HTTP, L7FlowType, TrafficDirection, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { DEFAULT_PORTS } from '../../cli/options.ts';
import { needs } from '../../testkit/capabilities.ts';
import { extension, httpConfigManifest, PORTS_ALLOWED } from '../../testkit/envoy-config-manifests.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { type HttpAnswer, type HttpAsk, wordOf } from '../layer7/http-peer.ts';
import { app, ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { askIngress, served } from '../layer7/served-by-ingress.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';
import { FlowClient } from './flow-client.ts';

/** Cilium's numbers of what is told at the end of a way, and of layer 7. */
const TRACE_EVENT = 4;
const L7_EVENT = 129;

const PODS = ['client', 'web', 'shop'].map((name) => ({ name, labels: { app: name } }));
const TLS_PORT = { ports: [{ port: '443', protocol: 'TCP' }], serverNames: ['web.test'] };
const POLICIES = [
  ciliumPolicy({
    name: 'web',
    app: 'web',
    ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ method: 'GET', path: '/public/.*' }]), TLS_PORT] }],
  }),
  ciliumPolicy({
    name: 'more',
    app: 'web',
    ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ method: 'POST', path: '/orders' }])] }],
  }),
];

const CONFIG_PORT = 18_090;
/** Its owner has it log as well. */
const CONFIG = httpConfigManifest('own', {
  port: CONFIG_PORT,
  routes: [{ match: { prefix: '/' }, route: { cluster: 'shop-ipv4' } }],
  clusters: { 'shop-ipv4': {} },
  http: { accessLog: [extension('access_loggers.stream.v3.StdoutAccessLog', { logFormat: { jsonFormat: { owned: '%PATH(NQ:PATH)%' } } })] },
});

describe('flows of requests', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  const said: string[] = [];
  let lab: SteeredLab;
  let client: FlowClient;
  let web: string;
  before(async () => {
    lab = cleanUp.use(
      await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS, settings: PORTS_ALLOWED, onLine: (line) => said.push(line) }),
    );
    await Promise.all(['web', 'shop'].map((name) => lab.peer(name).serve()));
    await lab.peer('web').serveTls(makeCertificate({ names: ['web.test'] }), 443);
    lab.write('ingress', [...served(lab, 'shop'), { ...CONFIG }]);
    await lab.set('policies', POLICIES);
    client = cleanUp.use(new FlowClient(join(lab.folderOf('node-1'), 'state', 'flows.sock')));
    web = lab.lab.pod('web').addresses.ipv4;
  });
  after(() => cleanUp.disposeAsync());

  async function answered(ask: Omit<HttpAsk, 'to'>): Promise<HttpAnswer> {
    const outcome = await lab.peer('client').ask({ to: web, ...ask });
    assert.ok('status' in outcome, JSON.stringify(outcome));
    return outcome;
  }

  async function adminPage(path: string): Promise<string> {
    const outcome = await lab.peer('node-1').ask({ to: '127.0.0.1', port: DEFAULT_PORTS.admin, path, timeoutMs: 30_000 });
    assert.ok('status' in outcome && outcome.status === 200, JSON.stringify(outcome));
    return outcome.body;
  }

  /** Those of requests with a path, once there are so many. */
  async function flowsOf(path: string, count: number): Promise<Flow[]> {
    return await eventually(async () => {
      const found = await client.flows({ httpPath: [`^${path}$`] });
      assert.equal(found.length, count);
      return found;
    });
  }

  test('a request and its response, and by whose rule they passed', async () => {
    assert.equal((await answered({ path: '/public/one' })).status, 200);
    const [request, response] = await flowsOf('/public/one', 2);
    assert.ok(request && response);
    const [asked, told] = [httpOf(request), httpOf(response)];
    assert.deepEqual([asked.method, asked.url, asked.protocol, asked.code], ['GET', `http://${web}/public/one`, 'HTTP/1.1', 0]);
    assert.deepEqual([request.l7?.type, response.l7?.type, told.code], [L7FlowType.REQUEST, L7FlowType.RESPONSE, 200]);
    assert.ok((response.l7?.latencyNs ?? 0n) > 0n);
    assert.deepEqual([request.source?.podName, request.destination?.podName], ['client', 'web']);
    assert.deepEqual([response.source?.podName, response.destination?.podName], ['web', 'client']);
    assert.ok(request.source?.labels.includes('k8s:app=client'));
    assert.deepEqual([portsOf(request)[1], portsOf(response)[0]], [80, 80]);
    assert.equal(portsOf(request)[0], portsOf(response)[1]);
    assert.deepEqual(request.IP?.destination, web);
    assert.deepEqual(
      [request.verdict, request.trafficDirection, request.nodeName, request.isReply, response.isReply],
      [Verdict.FORWARDED, TrafficDirection.INGRESS, 'default/node-1', false, true],
    );
    assert.deepEqual(namesOf(request.ingressAllowedBy), ['CiliumNetworkPolicy default/web']);
  });

  test('each is let pass by the policy that has its rule', async () => {
    assert.equal((await answered({ method: 'POST', path: '/orders', body: 'x' })).status, 200);
    const [request] = await flowsOf('/orders', 2);
    assert.deepEqual(namesOf(request?.ingressAllowedBy), ['CiliumNetworkPolicy default/more']);
  });

  test('by an Ingress: to the server that Envoy chose', async () => {
    await eventually(async () => assert.equal(wordOf(await askIngress(lab, 'shop', 'ipv4', { path: '/by-ingress' })), '200'));
    const [request, response] = await eventually(async () => {
      const found = await client.flows(
        { httpPath: ['^/by-ingress$'], destinationPod: ['shop'] },
        { httpPath: ['^/by-ingress$'], sourcePod: ['shop'] },
      );
      assert.ok(found.length >= 2);
      return found;
    });
    assert.ok(request && response);
    assert.deepEqual([httpOf(request).url, httpOf(response).code], ['http://shop-ipv4.test/by-ingress', 200]);
    assert.deepEqual([request.trafficDirection, request.verdict], [TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN, Verdict.FORWARDED]);
  });

  test('by a listener of a config, whose own log goes on', async () => {
    const ask = { to: '127.0.0.1', port: CONFIG_PORT, path: '/by-config', timeoutMs: 10_000 };
    await eventually(async () => assert.equal(wordOf(await lab.peer('node-1').ask(ask)), '200'));
    await eventually(async () => {
      const found = await client.flows({ httpPath: ['^/by-config$'], destinationPod: ['shop'] });
      assert.ok(found.length > 0);
    });
    await eventually(() => assert.ok(said.some((line) => line.includes('"owned":"/by-config"'))));
  });

  const TRACE = '0af7651916cd43dd8448eb211c80319c';
  for (const [what, headers] of [
    ['W3C', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` }],
    ['B3', { b3: `${TRACE}-b7ad6b7169203331-1` }],
    ['B3 in several headers', { 'x-b3-traceid': TRACE, 'x-b3-spanid': 'b7ad6b7169203331', 'x-b3-sampled': '1' }],
    ['Jaeger', { 'uber-trace-id': `${TRACE}:b7ad6b7169203331:0:1` }],
    ['OpenTracing', { 'ot-tracer-traceid': TRACE, 'ot-tracer-spanid': 'b7ad6b7169203331', 'ot-tracer-sampled': 'true' }],
    ['X-Ray', { 'x-amzn-trace-id': `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=b7ad6b7169203331;Sampled=1` }],
  ] as const) {
    test(`the trace that a request is of: ${what}`, async () => {
      const path = `/public/traced-${what.replaceAll(' ', '-')}`;
      await answered({ path, headers });
      const found = await flowsOf(path, 2);
      assert.deepEqual(
        found.map(({ traceContext }) => traceContext?.parent?.traceId),
        [TRACE, TRACE],
      );
    });
  }

  test('what is denied, and by what it is asked why', async () => {
    const { status, headers } = await answered({ path: '/private' });
    assert.equal(status, 403);
    const [request] = await flowsOf('/private', 1);
    assert.ok(request);
    assert.deepEqual(
      [request.verdict, request.trafficDirection, request.l7?.type],
      [Verdict.DROPPED, TrafficDirection.INGRESS, L7FlowType.REQUEST],
    );
    assert.deepEqual(namesOf(request.ingressDeniedBy).sort(), ['CiliumNetworkPolicy default/more', 'CiliumNetworkPolicy default/web']);
    const id = httpOf(request).headers.find(({ key }) => key === 'x-request-id')?.value ?? '';
    assert.equal(id, headers['x-request-id']);
    assert.match(await lab.sluice('node-1', ['why-denied', id]), /came nearest/);
  });

  test('a connection by the name of its server: passed on, or closed', async () => {
    const ask = { to: web, port: 443, timeoutMs: 10_000 };
    for (const serverName of ['web.test', 'other.test']) await lab.peer('client').ask({ ...ask, tls: { serverName } });
    const ofTls = (verdict: Verdict, type: number) =>
      eventually(async () => {
        const found = await client.flows({ sourcePod: ['client'], destinationPort: ['443'], verdict: [verdict], eventType: [{ type }] });
        const [flow] = found.filter(
          ({ trafficDirection, ingressAllowedBy, ingressDeniedBy }) =>
            trafficDirection === TrafficDirection.INGRESS && ingressAllowedBy.length + ingressDeniedBy.length > 0,
        );
        assert.ok(flow);
        return flow;
      });
    const [passed, closed] = [await ofTls(Verdict.FORWARDED, TRACE_EVENT), await ofTls(Verdict.DROPPED, L7_EVENT)];
    assert.deepEqual([passed.destination?.podName, namesOf(passed.ingressAllowedBy)], ['web', ['CiliumNetworkPolicy default/web']]);
    assert.deepEqual([closed.destination?.podName, namesOf(closed.ingressDeniedBy)], ['web', ['CiliumNetworkPolicy default/web']]);
  });

  test('secrets are nowhere in what is told', async () => {
    const secret = 'hush-hush';
    const headers = { authorization: `Bearer ${secret}`, cookie: `session=${secret}`, 'x-api-key': secret, 'proxy-authorization': secret };
    for (const path of ['/public/secrets', '/private/secrets']) await answered({ path: `${path}?token=${secret}`, headers });
    await askIngress(lab, 'shop', 'ipv4', {
      path: `/secrets?token=${secret}`,
      headers: { ...headers, host: `ann:${secret}@shop-ipv4.test` },
    });
    const [denied] = await flowsOf('/private/secrets', 1);
    await flowsOf('/public/secrets', 2);
    assert.ok(denied);
    const id = httpOf(denied).headers.find(({ key }) => key === 'x-request-id')?.value ?? '';
    const folder = join(lab.folderOf('node-1'), 'state');
    const observe = ['observe', '--last', '1000', '--server', `unix:${join(folder, 'flows.sock')}`];
    const told = await Promise.all([
      ...['compact', 'table', 'dict', 'json'].map((format) => lab.sluice('node-1', [...observe, '-o', format])),
      ...['text', 'json'].map((format) => lab.sluice('node-1', ['status', '-o', format])),
      lab.sluice('node-1', ['why-denied', id]),
      lab.sluice('node-1', ['why-denied', id, '-o', 'json']),
    ]);
    for (const each of told.slice(0, 4)) assert.match(each, /\/private\/secrets/);
    const [metrics, snapshot] = await Promise.all(['/metrics', '/snapshot'].map(adminPage));
    assert.match(metrics ?? '', /^hubble_http_requests_total\{.*destination_namespace="default"/m);
    assert.match(snapshot ?? '', /shop-ipv4\.test/);
    await eventually(() => assert.ok(said.some((line) => line.includes('/private/secrets'))));
    for (const each of [...told, metrics, snapshot, ...said]) assert.ok(each && !each.includes(secret), each);
  });

  test('a flow is told soon after its request has ended', async (t) => {
    const heard = new Map<string, number>();
    using over = new DisposableStack();
    const following = new AbortController();
    over.defer(() => following.abort());
    const note = (flow: Flow) => {
      if (flow.l7?.type === L7FlowType.RESPONSE) heard.set(httpOf(flow).url, performance.now());
    };
    await client.follow(note, following.signal, { protocol: ['http'] });
    const late: number[] = [];
    for (let index = 0; index < 40; index++) {
      const path = `/public/timed-${index}`;
      await answered({ path, connection: 'timed' });
      const ended = performance.now();
      late.push((await eventually(() => heard.get(`http://${web}${path}`) ?? assert.fail(path))) - ended);
    }
    late.sort((a, b) => a - b);
    const at = (part: number) => late[Math.ceil(part * late.length) - 1] ?? Number.NaN;
    t.diagnostic(
      `milliseconds from the end of a request to its flow: p50 ${at(0.5).toFixed(0)}, p90 ${at(0.9).toFixed(0)}, most ${at(1).toFixed(0)}`,
    );
    assert.ok(at(0.5) < 2_000);
  });
});

function httpOf({ l7 }: Flow): HTTP {
  assert.ok(l7?.record.case === 'http');
  return l7.record.value;
}

function portsOf({ l4 }: Flow): readonly [source: number, destination: number] {
  assert.ok(l4?.protocol.case === 'TCP');
  return [l4.protocol.value.sourcePort, l4.protocol.value.destinationPort];
}

function namesOf(policies: Flow['ingressAllowedBy'] = []): string[] {
  return policies.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
}
