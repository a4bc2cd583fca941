import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { WITH_OWN_PROC } from '../lab/netns/index.ts';
import { seenBy } from '../layer7/http-peer.ts';
import { ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { askIngress, HOLDER, served } from '../layer7/served-by-ingress.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';
import { type CollectedSpan, Collector } from './collector.ts';

const PODS = [
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;
/** Nodes of labs have these. */
const NODE = '192.168.56.10';
const PATIENTLY = { withinMs: 60_000 };
const PORTS = { grpc: 4317, http: 4318 };
const [TRACE, SHORT, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '64fe8b2a57d3eff7', '00f067aa0ba902b7'];

const CASES = [
  { name: 'traceparent', headers: { traceparent: `00-${TRACE}-${SPAN}-01` }, trace: TRACE },
  { name: 'b3', headers: { b3: `${SHORT}-${SPAN}-1` }, trace: `0000000000000000${SHORT}` },
  {
    name: 'b3 in several headers',
    headers: { 'x-b3-traceid': TRACE.replace('4', '5'), 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' },
    trace: TRACE.replace('4', '5'),
  },
  { name: 'nothing', headers: {}, trace: undefined },
] as const;

describe('a request is one trace', { ...needs('root', 'netns', 'envoy', 'bpf', 'ipv6', 'collector'), ...WITH_TIME_TO_BUILD }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  let collector: Collector;
  before(async () => {
    const told = { enabled: true, collector: { endpoint: `http://${NODE}:${PORTS.grpc}` } };
    const settings = { tracing: { ...told, changes: true }, flows: { export: told } };
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS, address: '::', settings }));
    const folder = mkdtempSync(join(tmpdir(), 'sluice-collector-'));
    cleanUp.defer(() => rmSync(folder, { recursive: true }));
    assert.equal(lab.lab.node('node-1').plan.addresses.ipv4, NODE);
    const spawn = (command: readonly string[]) =>
      lab.lab.node('node-1').spawn([...WITH_OWN_PROC, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    collector = cleanUp.use(await Collector.start({ folder, spawn, address: NODE, ports: PORTS }));
    for (const server of ['near', 'far']) await lab.peer(server).serve();
    lab.write(
      'ingresses',
      ['near', 'far'].flatMap((server) => served(lab, server)),
    );
    await lab.set(
      'policies',
      ['near', 'far'].map((server) =>
        ciliumPolicy({
          name: server,
          app: server,
          ingress: [{ fromEntities: ['all'], toPorts: [{ ...tcpPort(80), rules: { http: [{ path: '/in' }] } }] }],
        }),
      ),
    );
    for (const server of ['near', 'far'])
      await eventually(async () => seenBy(await askIngress(lab, server, 'ipv4', { path: '/in' })), PATIENTLY);
  }, WITH_TIME_TO_BUILD);
  after(() => cleanUp.disposeAsync());

  for (const { name, headers, trace } of CASES) {
    for (const server of ['near', 'far']) {
      test(`from a client with ${name}, by an Ingress and a policy, to a pod ${server}`, async () => {
        const seen = seenBy(await askIngress(lab, server, 'ipv4', { path: '/in', headers: { ...headers, host: `${server}-ipv4.test` } }));
        const [, traceId = '', last = ''] = String(seen.headers['traceparent']).split('-');
        if (trace !== undefined) assert.equal(traceId, trace);
        await eventually(() => {
          const chain = ancestors(collector.spans, last);
          assert.deepEqual(
            chain.map(({ kind }) => kind),
            ['server', 'client', 'server', 'client'],
          );
          assert.equal(chain[0]?.parentSpanId, trace === undefined ? '' : SPAN);
          assert.ok(chain.every((span) => span.traceId === traceId));
        }, PATIENTLY);
      });
    }
  }

  test('secrets are nowhere in what is told', async () => {
    const secret = 'hush-hush';
    const headers = { authorization: `Bearer ${secret}`, cookie: `session=${secret}`, 'x-api-key': secret };
    for (const host of ['near-ipv4.test', `ann:${secret}@near-ipv4.test`])
      await askIngress(lab, 'near', 'ipv4', { path: `/secrets?token=${secret}`, headers: { ...headers, host } });
    const isOfIt = (name: string) => (told: CollectedSpan | Collector['logs'][number]) =>
      String(told.attributes[name]).endsWith('/secrets');
    await eventually(() => {
      assert.ok(collector.spans.filter(isOfIt('http.url')).length > 1);
      assert.ok(collector.logs.some(isOfIt('url.full')));
    }, PATIENTLY);
    assert.ok(!collector.text.includes(secret));
  });

  test('a change of configuration is a trace, too, up to the answer of the Envoy', async () => {
    await lab.set('more', [
      ciliumPolicy({ name: 'more', app: 'near', ingress: [{ fromEntities: ['world'], toPorts: [tcpPort(81, [{}])] }] }),
    ]);
    await eventually(() => {
      const changes = collector.spans.filter(({ name, resource }) => name === 'change' && resource['service.name'] === 'sluice');
      const partsOf = (spanId: string) => collector.spans.filter(({ parentSpanId }) => parentSpanId === spanId).map(({ name }) => name);
      const parts = ['acknowledge', 'ingest', 'publish', 'read', 'translate'];
      const isOfPolicies = ({ attributes }: CollectedSpan) => attributes['sluice.object_names']?.includes('CiliumNetworkPolicy ') ?? false;
      for (const ofKind of [changes.filter(isOfPolicies), changes.filter((change) => !isOfPolicies(change))])
        assert.ok(ofKind.some(({ spanId }) => parts.every((part) => partsOf(spanId).includes(part))));
    }, PATIENTLY);
  });

  test('what the kernels of nodes see comes as logs', async () => {
    await eventually(() => {
      for (const server of ['near', 'far']) {
        const { ipv4 } = lab.lab.pod(server).addresses;
        const node = server === 'near' ? 'node-1' : 'node-2';
        const isOfIt = ({ attributes, resource }: Collector['logs'][number]) =>
          attributes['destination.address'] === ipv4 && attributes['destination.port'] === '80' && resource['k8s.node.name'] === node;
        assert.ok(collector.logs.some(isOfIt), `of ${server}`);
      }
    }, PATIENTLY);
  });
});

/** From the first of them that was told of, each the parent of the next. */
function ancestors(spans: readonly CollectedSpan[], spanId: string): readonly CollectedSpan[] {
  const span = spans.find((each) => each.spanId === spanId);
  return span ? [...ancestors(spans, span.parentSpanId), span] : [];
}
