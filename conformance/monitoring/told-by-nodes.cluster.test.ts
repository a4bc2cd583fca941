import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { MONITORING } from '../../testkit/dashboards.ts';
import { eventually } from '../../testkit/eventually.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { nodeAddresses } from '../lab/addresses.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import type { RunningLab } from '../lab/index.ts';
import { SLUICE } from '../layer7/sluice-run.ts';
import { Collector } from '../opentelemetry/collector.ts';
import { collectorBinary } from '../opentelemetry/program.ts';
import { untilHeard } from '../policy/hear.ts';
import { httpServer } from '../policy/http-pods.ts';
import { addressOf, answeringPod, untilReady } from '../policy/pods.ts';
import { rolledOut, startPolicedCluster } from '../policy/policed-cluster.ts';

const PORT = 8080;
const PORTS = { grpc: 4_317, http: 4_318 };
/** As pods and nodes of the lab reach the collector. */
const [COLLECTOR, OTHER] = [nodeAddresses(1), nodeAddresses(2)];
const [METRICS_PORT, FLOWS_PORT] = [18_020, 4_244];
const OBSERVER = 'ann';
const WITHIN = { withinMs: 120_000 };
const TOLD = `collector: { endpoint: "http://${COLLECTOR.address}:${PORTS.grpc}" }`;
const SETTINGS = [
  'tracing:',
  ...['enabled: true', 'changes: true', TOLD].map((line) => `  ${line}`),
  'metrics:',
  `  clients: [spiffe://sluice.io/observer/${OBSERVER}]`,
  'flows:',
  `  port: ${FLOWS_PORT}`,
  `  clients: [spiffe://sluice.io/observer/${OBSERVER}]`,
  '  export:',
  ...['enabled: true', TOLD].map((line) => `    ${line}`),
];

function policy(path: string): object {
  const toPorts = [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }], rules: { http: [{ method: 'GET', path }] } }];
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'server', namespace: 'default' },
    spec: {
      endpointSelector: { matchLabels: { app: 'server' } },
      ingress: [{ fromEndpoints: [{ matchLabels: { app: 'client' } }], toPorts }],
    },
  };
}

const SERVER = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'server', namespace: 'default', labels: { app: 'server' } },
  spec: { nodeName: OTHER.name, containers: [httpServer('server', PORT)] },
};

/** As `docs/monitoring.md` says it. */
async function openMetrics(lab: RunningLab): Promise<void> {
  for (const [workload, file] of [
    ['deployment/sluice-controller', 'controller-metrics.yaml'],
    ['daemonset/sluice-agent', 'agent-metrics.yaml'],
  ] as const) {
    await lab.kubectl('-n', 'sluice-system', 'patch', workload, '--patch-file', join(MONITORING, file));
    await rolledOut(lab, workload);
  }
}

describe('what a cluster tells others', { ...needs('cluster', 'root', 'bpf', 'envoy', 'collector'), timeout: 900_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  const folder = cleanUp.use(new TemporaryFolder());
  let lab: RunningLab;
  let collector: Collector;
  before(async () => {
    await collectorBinary();
    lab = cleanUp.use(await startPolicedCluster(2, { settings: SETTINGS }));
    const spawn = (command: readonly string[]) => lab.spawn(command, { where: COLLECTOR.name, stdio: ['ignore', 'pipe', 'pipe'] });
    collector = cleanUp.use(await Collector.start({ folder: folder.path, spawn, address: COLLECTOR.address, ports: PORTS }));
    const clients = [COLLECTOR, OTHER].map(({ name: node }) =>
      answeringPod({ name: `at-${node}`, node, labels: { app: 'client' }, ports: [PORT] }),
    );
    await openMetrics(lab);
    const made = ['certificate', OBSERVER, '--out', folder.path, '--kubeconfig', lab.kubeconfig];
    assert.equal((await runSluiceCommand(made)).code, 0);
    await lab.apply([SERVER, ...clients]);
    await untilReady(lab, 'server', `at-${COLLECTOR.name}`, `at-${OTHER.name}`);
    // The kind comes once the enforcers are there.
    await lab.apply([policy('/public/.*')]);
  }, WITH_TIME_TO_BUILD);
  after(() => cleanUp.disposeAsync());

  const filesOf = (name: string) => [folder.join('ca.crt'), folder.join(`${name}.crt`), folder.join(`${name}.key`)] as const;

  interface Asked {
    readonly page?: string;
    /** By which it is known. */
    readonly name?: string;
    /** Default: true. */
    readonly hasCertificate?: boolean;
  }

  /** What somebody tells of itself by mutual TLS; empty where it tells nothing. */
  async function read(address: string, { page = '/metrics', name = 'nodes.sluice.io', hasCertificate = true }: Asked): Promise<string> {
    const [ca, cert, key] = filesOf(OBSERVER);
    const trusted = ['--cacert', ca, '--resolve', `${name}:${METRICS_PORT}:${address}`];
    const own = hasCertificate ? ['--cert', cert, '--key', key] : [];
    return (await lab.run(['curl', '-sf', ...trusted, ...own, `https://${name}:${METRICS_PORT}${page}`])).stdout;
  }

  test('metrics of agents and enforcers, to whom the settings name', async () => {
    for (const { address } of [COLLECTOR, OTHER]) {
      await eventually(async () => assert.match(await read(address, {}), /^sluice_flows_total /m), WITHIN);
      await eventually(async () => {
        const ofEnforcer = await read(address, { page: '/metrics/enforcer' });
        assert.match(ofEnforcer, /^sluice_packets_total\{/m);
        // Of the server, on this node or on the other; no pod has a policy of both directions.
        assert.match(ofEnforcer, /^cilium_policy_endpoint_enforcement_status\{enforcement="none"\} [1-9]/m);
        assert.equal(/enforcement="ingress"\} 1$/m.test(ofEnforcer), address === OTHER.address);
      }, WITHIN);
      assert.equal(await read(address, { hasCertificate: false }), '');
    }
  });

  test('metrics of controllers: of what is for Envoys and for enforcers, to the same', async () => {
    await eventually(async () => {
      const ofControllers = ['-n', 'sluice-system', 'get', 'pods', '-l', 'app.kubernetes.io/component=controller'];
      const addresses = (await lab.kubectl(...ofControllers, '-o', 'jsonpath={.items[*].status.podIP}')).split(' ');
      const pages = await Promise.all(addresses.map((address) => read(address, { name: 'sluice-controller' })));
      const text = pages.join('\n');
      for (const series of [
        'sluice_propagation_seconds_count{for="enforcers"}',
        'sluice_propagation_seconds_count{for="envoys"}',
        'sluice_xds_acks_total{type="SubjectPolicy"}',
        'sluice_snapshot_resources{type="SubjectPolicy"}',
        'sluice_snapshot_bytes{type="SubjectPolicy"}',
        'sluice_objects{kind="CiliumNetworkPolicy"}',
        'sluice_objects{kind="Pod"}',
        'sluice_change_spans_exported_total',
      ])
        assert.ok(
          text.split('\n').some((line) => line.startsWith(`${series} `) && Number(line.slice(series.length)) > 0),
          `${series} is not in\n${text}`,
        );
      assert.match(text, /^sluice_unacknowledged_seconds\{for="enforcers"\} 0$/m);
      assert.match(text, /^sluice_change_spans_lost_total 0$/m);
    }, WITHIN);
  });

  test('flows of another node, to the same', async () => {
    const host = await addressOf(lab, 'server');
    const from = `at-${COLLECTOR.name}`;
    await untilHeard(lab, [from, { host, port: PORT, http: { path: '/public/2' } }, '200 server']);
    const [ca, cert, key] = filesOf(OBSERVER);
    const server = ['--server', `${OTHER.address}:${FLOWS_PORT}`, '--ca', ca, '--cert', cert, '--key', key];
    await eventually(async () => {
      const { stdout, stderr } = await lab.run([
        SLUICE,
        'observe',
        ...server,
        '--from-pod',
        `default/${from}`,
        '--http-path',
        '/public/2',
        '--last',
        '5',
      ]);
      assert.match(stdout, new RegExp(`default/${from}:\\d+.* default/server:${PORT} .*/public/2`), stderr);
    }, WITHIN);
  });

  test('a collector: what was asked on which node, who decided, and what was denied', async () => {
    const host = await addressOf(lab, 'server');
    for (const { name } of [COLLECTOR, OTHER]) {
      const asked = (path: string) => ({ host, port: PORT, http: { path } });
      await untilHeard(lab, [`at-${name}`, asked('/public/1'), '200 server'], [`at-${name}`, asked('/private'), '403 Access denied']);
      await eventually(() => {
        const requests = collector.logs
          .filter(({ attributes, resource }) => attributes['hubble.l7.type'] === 'request' && resource['k8s.node.name'] === OTHER.name)
          .filter(
            ({ attributes }) => attributes['hubble.source.pod'] === `at-${name}` && attributes['hubble.destination.pod'] === 'server',
          );
        const about = (path: string) => requests.find(({ attributes }) => attributes['url.full']?.endsWith(path))?.attributes;
        assert.equal(about('/public/1')?.['hubble.verdict'], 'forwarded');
        assert.match(about('/public/1')?.['hubble.decided_by'] ?? '', /CiliumNetworkPolicy\/default\/server/);
        assert.equal(about('/private')?.['hubble.verdict'], 'dropped');
      }, WITHIN);
    }
  });

  test('a collector: spans of Envoys, which say in which pod and on which node', async () => {
    await eventually(() => {
      const resources = collector.spans.filter(({ kind }) => kind === 'server').map(({ resource }) => resource);
      const ofNode = resources.find((resource) => resource['k8s.node.name'] === OTHER.name);
      assert.match(ofNode?.['k8s.pod.name'] ?? '', /^sluice-envoy-/);
      assert.equal(ofNode?.['k8s.namespace.name'], 'sluice-system');
    }, WITHIN);
  });

  test('a collector: a change, up to when the enforcer and the Envoy of each node had answered', async () => {
    const before = new Set(collector.spans.map(({ spanId }) => spanId));
    await lab.apply([policy('/public/[0-9]+')]);
    await eventually(() => {
      const changes = collector.spans
        .filter(({ name, spanId }) => name === 'change' && !before.has(spanId))
        .filter(({ attributes }) => attributes['sluice.object_names']?.includes('CiliumNetworkPolicy default/server'));
      const nodesOf = (spanId: string) =>
        collector.spans
          .filter(({ name, parentSpanId }) => name === 'acknowledge' && parentSpanId === spanId)
          .map(({ attributes }) => attributes['sluice.node']);
      const answered = changes.map(({ spanId }) => nodesOf(spanId));
      // Each replica tells of the nodes that are connected to it.
      for (const { name } of [COLLECTOR, OTHER])
        assert.ok(answered.filter((nodes) => nodes.includes(name)).length >= 2, `${name}: ${JSON.stringify(answered)}`);
    }, WITHIN);
  });
});
