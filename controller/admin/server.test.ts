import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { Graph } from '../../collection/index.ts';
import { type Certificate, type Diagnostic, Redacted } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { CLUSTER_TYPE, ROUTES_TYPE } from '../../xds-server/serve/types.ts';
import { translateCertificate } from '../../xds-server/translate/certificates.ts';
import { Metrics } from './metrics.ts';
import { startAdminServer } from './server.ts';
import { type ConfigStatus, type Status, statusSchema } from './status.ts';
import type { AdminView } from './view.ts';

const KEY = '-----BEGIN PRIVATE KEY-----KEYMATERIAL';
const certificate: Certificate = { name: 'default/tls', chain: 'CHAIN', privateKey: new Redacted(KEY), sources: [] };
const diagnostic: Diagnostic = { severity: 'warning', code: 'SomeCode', message: 'something', path: [] };

let status: Status = {
  role: 'run',
  version: '0.1.0',
  pid: 1,
  since: '2026-01-01T00:00:00.000Z',
  manifests: '/m',
  entry: { address: '127.0.0.1', httpPort: 8080, httpsPort: 8443 },
  ready: false,
  notReady: 'waiting for Envoy to acknowledge 2 of 3 resources',
  envoy: { version: '1.40.0', adopted: false },
  objects: { Ingress: 2 },
  resources: { cluster: 1, secret: 1 },
  clients: [{ node: 'n', synced: false, resources: { cluster: 1 } }],
  findings: { error: 0, warning: 1, info: 0 },
  rejected: [],
};
let configs: readonly ConfigStatus[] = [];
const cluster: Resource = {
  typeUrl: `type.googleapis.com/${ClusterSchema.typeName}`,
  name: 'c',
  version: 'v1',
  body: toBinary(ClusterSchema, create(ClusterSchema, { name: 'c' })),
  requires: [],
};
const graph = new Graph();
const certificates = graph.input<Certificate>('certificates');
certificates.set(certificate.name, certificate);
graph.settle();

const view: AdminView = {
  status: () => status,
  configs: () => configs,
  diagnostics: () => [diagnostic],
  model: () => ({ certificates }),
  resources: () => [translateCertificate(certificate), cluster],
};
const metrics = new Metrics(view);
const server = await startAdminServer({ view, metrics, port: 0 });
after(() => server.close());
const base = `http://127.0.0.1:${server.port}`;

async function get(path: string): Promise<{ status: number; text: string; type: string }> {
  const response = await fetch(base + path);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') ?? '' };
}

/** `fetch` does not let a caller choose the Host header. */
function statusFor(host: string, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, path: '/status', method, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end();
  });
}

test('is alive before it is ready, and says why it is not', async () => {
  assert.deepEqual(await get('/healthz').then(({ status, text }) => [status, text]), [200, 'ok\n']);
  const waiting = await get('/readyz');
  assert.equal(waiting.status, 503);
  assert.match(waiting.text, /not ready: waiting for Envoy to acknowledge 2 of 3 resources/);
  const before = status;
  status = { ...before, ready: true };
  assert.deepEqual(await get('/readyz').then(({ status, text }) => [status, text]), [200, 'ready\n']);
  status = before;
});

test('the status is what its schema says', async () => {
  const { text } = await get('/status');
  assert.deepEqual(statusSchema.parse(JSON.parse(text)), status);
});

test('configs stand in the status where there are any', async () => {
  const condition = { status: 'True', reason: 'a', message: 'b' } as const;
  configs = [{ kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'shop', accepted: condition, resolvedRefs: condition }];
  assert.deepEqual(statusSchema.parse(JSON.parse((await get('/status')).text)), { ...status, configs });
  configs = [];
});

test('diagnostics, model and snapshot are JSON', async () => {
  assert.deepEqual(JSON.parse((await get('/diagnostics')).text), [diagnostic]);
  assert.deepEqual(JSON.parse((await get('/model')).text), {
    certificates: [{ name: 'default/tls', chain: 'CHAIN', privateKey: '[redacted]', sources: [] }],
  });
  const snapshot = await get('/snapshot?type=cluster');
  assert.match(snapshot.type, /^application\/json/);
  assert.deepEqual(JSON.parse(snapshot.text), [
    { type: 'cluster', name: 'c', version: 'v1', body: { '@type': cluster.typeUrl, name: 'c' } },
  ]);
  assert.deepEqual(JSON.parse((await get('/snapshot?type=route')).text), []);
});

test('flows that are lost are counted where there are any', async () => {
  assert.doesNotMatch((await get('/metrics')).text, /sluice_flows_lost_total\{/);
  status = {
    ...status,
    flows: {
      remembered: 16,
      capacity: 16,
      seen: 90,
      lost: { kernel: 0, limit: 4, enforcer: 3, export: 2 },
      exported: { sent: 80, waiting: 8, failure: 'away' },
    },
  };
  const { text } = await get('/metrics');
  assert.match(text, /^sluice_flows_total 90$/m);
  assert.match(text, /^sluice_flows_lost_total\{where="kernel"\} 0$/m);
  assert.match(text, /^sluice_flows_lost_total\{where="enforcer"\} 3$/m);
  assert.match(text, /^sluice_flows_lost_total\{where="limit"\} 4$/m);
  assert.match(text, /^sluice_flow_export_failing 1$/m);
  assert.match(text, /^sluice_flows_lost_total\{where="export"\} 2$/m);
  assert.match(text, /^sluice_flows_exported_total 80$/m);
  assert.match(text, /^sluice_flows_remembered 16$/m);
});

test('the metrics count what is reported and measure what is there', async () => {
  for (const [outcome, typeUrl] of [
    ['ack', CLUSTER_TYPE],
    ['ack', CLUSTER_TYPE],
    ['nack', ROUTES_TYPE],
  ] as const)
    metrics.noteOutcome({ outcome, typeUrl });
  metrics.stage('envoys', 'read', 4);
  metrics.propagated('enforcers', 14);
  metrics.watchUnanswered('envoys', () => 2_500);
  const { text, type } = await get('/metrics');
  assert.match(type, /^text\/plain/);
  for (const line of [
    'sluice_ready 0',
    'sluice_xds_clients 1',
    'sluice_objects{kind="Ingress"} 2',
    'sluice_snapshot_resources{type="cluster"} 1',
    `sluice_snapshot_bytes{type="cluster"} ${cluster.body.length}`,
    'sluice_findings{severity="warning"} 1',
    'sluice_xds_acks_total{type="cluster"} 2',
    'sluice_xds_nacks_total{type="route"} 1',
    'sluice_batch_stage_seconds_count{for="envoys",stage="read"} 1',
    'sluice_propagation_seconds_bucket{le="0.015",for="enforcers"} 1',
    'sluice_propagation_seconds_bucket{le="0.01",for="enforcers"} 0',
    'sluice_unacknowledged_seconds{for="envoys"} 2.5',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`);
  }
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m);
  assert.match(text, /^process_resident_memory_bytes /m);
});

test('the metrics tell of slots, of what steers to them, and of packets', async () => {
  const before = status;
  const slot = { name: 'a', port: 10_000, ready: true };
  const steering = { items: 9, wrong: [{ name: 'steer0', wanted: 'there' }], restored: 3, failure: 'no way' };
  const packets = [{ direction: 'ingress', outcome: 'dropped-not-allowed', packets: 5, bytes: 300 }] as const;
  const pod = { namespace: 'shop', name: 'web', identity: 300, labels: [], addresses: [], device: 'veth0' };
  const endpoints = [
    { ...pod, policy: 'both' as const },
    { ...pod, policy: 'both' as const },
    { ...pod, policy: 'audit-ingress' as const },
    pod,
  ];
  const enforcement = { endpoints, missing: [], network: [], steering, packets: [...packets] };
  status = { ...before, enforcement, slots: [slot, slot, { ...slot, ready: false }, { ...slot, ready: false, refusal: 'no' }] };
  // What is read twice is not counted twice.
  await get('/metrics');
  const { text } = await get('/metrics');
  status = before;
  for (const line of [
    'sluice_slots{state="ready"} 2',
    'sluice_slots{state="waiting"} 1',
    'sluice_slots{state="refused"} 1',
    'sluice_steering_items{state="right"} 8',
    'sluice_steering_items{state="wrong"} 1',
    'sluice_steering_failing 1',
    'sluice_steering_restored_total 3',
    'sluice_packets_total{direction="ingress",outcome="dropped-not-allowed"} 5',
    'sluice_packet_bytes_total{direction="ingress",outcome="dropped-not-allowed"} 300',
    'cilium_policy_endpoint_enforcement_status{enforcement="both"} 2',
    'cilium_policy_endpoint_enforcement_status{enforcement="audit-ingress"} 1',
    'cilium_policy_endpoint_enforcement_status{enforcement="none"} 0',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`);
  }
  assert.doesNotMatch((await get('/metrics')).text, /^sluice_(slots|packets_total|steering_items)\{/m);
});

test('no page gives a key away', async () => {
  const { pages } = JSON.parse((await get('/')).text);
  assert.equal(pages.length, 7);
  for (const page of pages) assert.doesNotMatch((await get(page)).text, /KEYMATERIAL/, page);
  const { text } = await get('/snapshot');
  assert.match(text, /"privateKey":\{"inlineString":"\[redacted\]"\}/);
});

for (const [host, expected] of [
  ['localhost', 200],
  ['localhost:9870', 200],
  ['127.0.0.1:1', 200],
  ['[::1]:9870', 200],
  ['evil.example.com', 403],
  ['evil.example.com:9870', 403],
  ['localhost.evil.example.com', 403],
  ['127.0.0.1.evil.example.com', 403],
] as const) {
  test(`a request for ${JSON.stringify(host)} is answered with ${expected}`, async () => {
    assert.equal(await statusFor(host), expected);
  });
}

test('nothing can be changed', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) assert.equal(await statusFor('localhost', method), 405, method);
  assert.equal(await statusFor('localhost', 'HEAD'), 200);
});

test('what is not there is told apart, with what is', async () => {
  const { status: code, text } = await get('/no');
  assert.equal(code, 404);
  assert.match(text, /"\/snapshot"/);
});
