import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import {
  DropReason,
  type Endpoint,
  type Flow,
  type FlowFilterSchema,
  TrafficDirection,
  Verdict,
} from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema, GetFlowsResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { wordOf } from '../layer7/http-peer.ts';
import { app, ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';

const PODS = [
  { name: 'client', labels: { app: 'client', 'pod-template-hash': 'x7' }, controller: { kind: 'ReplicaSet', name: 'shop-x7' } },
  { name: 'other', labels: { app: 'other' }, controller: { kind: 'DaemonSet', name: 'prober' }, node: 'node-2' },
  { name: 'web', labels: { app: 'web' } },
];
const DENIED = 8080;

/** Who it is, as `pod workload`. */
function nameOf(endpoint: Endpoint | undefined): string {
  const workloads = endpoint?.workloads.map(({ kind, name }) => `${kind}/${name}`) ?? [];
  return [endpoint?.podName, ...workloads].join(' ');
}

describe('what a node tells of flows', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  let client: Client;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 2, pods: PODS }));
    await lab.peer('web').serve();
    await lab.set('policies', [
      ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80)] }] }),
      ciliumPolicy({ name: 'closed', app: 'web', ingressDeny: [{ fromEndpoints: [{}], toPorts: [tcpPort(DENIED)] }] }),
      ciliumPolicy({ name: 'other', app: 'other', ingress: [{ toPorts: [tcpPort(80, [{ method: 'GET' }])] }] }),
    ]);
    client = new Client(`unix:${join(lab.folderOf('node-1'), 'state', 'flows.sock')}`, credentials.createInsecure());
    cleanUp.defer(() => client.close());
  });
  after(() => cleanUp.disposeAsync());

  async function flows(...whitelist: MessageInitShape<typeof FlowFilterSchema>[]): Promise<Flow[]> {
    const request = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { number: 100n, whitelist }));
    const stream = client.makeServerStreamRequest(
      '/observer.Observer/GetFlows',
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => fromBinary(GetFlowsResponseSchema, bytes),
      request,
    );
    const told: Flow[] = [];
    for await (const { responseTypes } of stream) if (responseTypes.case === 'flow') told.push(responseTypes.value);
    return told;
  }

  test('a connection that is allowed, from its client to its server', async () => {
    const answer = await lab.peer('client').ask({ to: lab.lab.pod('web').addresses.ipv4 });
    assert.equal(wordOf(answer), '200');
    const [flow] = await eventually(async () => {
      const found = await flows({
        sourcePod: ['client'],
        destinationPod: ['web'],
        verdict: [Verdict.FORWARDED],
        trafficDirection: [TrafficDirection.INGRESS],
      });
      assert.ok(found.length > 0);
      return found;
    });
    assert.ok(flow);
    assert.deepEqual([nameOf(flow.source), nameOf(flow.destination)], ['client Deployment/shop', 'web Pod/web']);
    assert.equal(flow.destination?.namespace, 'default');
    assert.deepEqual(
      flow.ingressAllowedBy.map(({ kind, namespace, name }) => [kind, namespace, name]),
      [['CiliumNetworkPolicy', 'default', 'web']],
    );
    assert.ok(flow.source?.labels.includes('k8s:app=client'), flow.source?.labels.join());
    assert.deepEqual([flow.IP?.source, flow.IP?.destination], [lab.lab.pod('client').addresses.ipv4, lab.lab.pod('web').addresses.ipv4]);
    assert.deepEqual([flow.l4?.protocol.case === 'TCP' && flow.l4.protocol.value.destinationPort, flow.nodeName], [80, 'default/node-1']);
  });

  test('what is dropped, and why', async () => {
    assert.equal(wordOf(await lab.peer('other').ask({ to: lab.lab.pod('web').addresses.ipv4, timeoutMs: 500 })), 'timeout');
    const found = await eventually(async () => {
      const dropped = await flows({ sourceLabel: ['app=other'], verdict: [Verdict.DROPPED] });
      assert.ok(dropped.length > 0);
      return dropped;
    });
    assert.deepEqual(
      new Set(
        found.map(({ dropReasonDesc, trafficDirection, source, destination, ingressDeniedBy }) =>
          [dropReasonDesc, trafficDirection, nameOf(source), nameOf(destination), ingressDeniedBy.length].join(),
        ),
      ),
      new Set(['133,1,other DaemonSet/prober,web Pod/web,0']),
    );
  });

  test('what a rule denies, and which', async () => {
    const url = { to: lab.lab.pod('web').addresses.ipv4, port: DENIED, timeoutMs: 500 };
    assert.equal(wordOf(await lab.peer('client').ask(url)), 'timeout');
    const found = await eventually(async () => {
      const dropped = await flows({ sourceWorkload: [{ kind: 'Deployment', name: 'shop' }], verdict: [Verdict.DROPPED] });
      assert.ok(dropped.length > 0);
      return dropped;
    });
    for (const { dropReasonDesc, ingressDeniedBy } of found)
      assert.deepEqual([dropReasonDesc, ...ingressDeniedBy.map(({ name }) => name)], [DropReason.POLICY_DENY, 'closed']);
  });

  test('counts of all that, by the names that Hubble has for them', async () => {
    await eventually(async () => {
      const answer = await lab.peer('node-1').ask({ to: '127.0.0.1', port: 9870, path: '/metrics', headers: { host: 'localhost' } });
      assert.ok('body' in answer, JSON.stringify(answer));
      for (const series of [
        /^hubble_flows_processed_total\{protocol="TCP",type="PolicyVerdict",subtype="",verdict="FORWARDED",source_namespace="default",/m,
        /^hubble_drop_total\{reason="POLICY_DENIED",protocol="TCP",source_namespace="default",.*traffic_direction="ingress"\} [1-9]/m,
        /^hubble_policy_verdicts_total\{direction="ingress",match="[a-z0-9-]+",action="dropped",/m,
        /^hubble_port_distribution_total\{protocol="TCP",port="80"\} [1-9]/m,
        /^hubble_tcp_flags_total\{flag="SYN",family="IPv4"\} [1-9]/m,
        /^cilium_policy_l7_total\{rule="denied",proxy_type="envoy"\} \d/m,
        /^cilium_proxy_redirects\{protocol_l7="http"\} [1-9]/m,
        /^sluice_service_series_left_out 0$/m,
      ]) {
        assert.match(answer.body, series);
      }
    });
  });

  test('that it ended, with what went by it', async () => {
    const ended = await eventually(async () => {
      const found = await flows({ sourcePod: ['client'], eventType: [{ type: 4 }] });
      assert.ok(found.length > 0);
      return found;
    });
    assert.ok(ended.every(({ destination }) => destination?.podName === 'web'));
  });

  test('by sluice observe, which finds it on its node, and how many there were by sluice status', async () => {
    const shown = await lab.sluice('node-1', ['observe', '--from-pod', 'other', '--verdict', 'dropped', '--last', '1']);
    assert.match(shown, / DROPPED default\/other:\d+ \(.*\) -> default\/web:80 \(.*\) TCP policy denied/);
    const { flows: counted } = JSON.parse(await lab.sluice('node-1', ['status', '-o', 'json']));
    assert.ok(counted.seen >= counted.remembered && counted.remembered > 0);
    assert.deepEqual([counted.capacity, counted.lost.kernel, counted.lost.enforcer], [4_096, 0, 0]);
  });
});
