import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type Flow, type FlowFilterSchema, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema, GetFlowsResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { wordOf } from '../layer7/http-peer.ts';
import { app, ciliumPolicy, tcpPort } from '../layer7/policies.ts';
import { SteeredLab } from '../layer7/steered-lab.ts';

const PODS = ['client', 'other', 'web'].map((name) => ({ name, labels: { app: name } }));

describe('what a node tells of flows', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  let client: Client;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods: PODS }));
    await lab.peer('web').serve();
    await lab.set('policies', [
      ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80)] }] }),
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
      const found = await flows({ sourcePod: ['client'], destinationPod: ['web'], verdict: [Verdict.FORWARDED] });
      assert.ok(found.length > 0);
      return found;
    });
    assert.ok(flow);
    assert.deepEqual([flow.source?.podName, flow.destination?.podName, flow.destination?.namespace], ['client', 'web', 'default']);
    assert.ok(flow.source?.labels.includes('k8s:app=client'), flow.source?.labels.join());
    assert.deepEqual([flow.IP?.source, flow.IP?.destination], [lab.lab.pod('client').addresses.ipv4, lab.lab.pod('web').addresses.ipv4]);
    assert.deepEqual([flow.l4?.protocol.case === 'TCP' && flow.l4.protocol.value.destinationPort, flow.nodeName], [80, 'default/node-1']);
  });

  test('what is dropped, and why', async () => {
    assert.equal(wordOf(await lab.peer('other').ask({ to: lab.lab.pod('web').addresses.ipv4 })), 'timeout');
    const found = await eventually(async () => {
      const dropped = await flows({ sourceLabel: ['app=other'], verdict: [Verdict.DROPPED] });
      assert.ok(dropped.length > 0);
      return dropped;
    });
    assert.deepEqual(
      new Set(
        found.map(({ dropReasonDesc, trafficDirection, destination }) => [dropReasonDesc, trafficDirection, destination?.podName].join()),
      ),
      new Set(['133,1,web']),
    );
  });

  test('that it ended, with what went by it', async () => {
    const ended = await eventually(async () => {
      const found = await flows({ sourcePod: ['client'], eventType: [{ type: 4 }] });
      assert.ok(found.length > 0);
      return found;
    });
    assert.ok(ended.every(({ destination }) => destination?.podName === 'web'));
  });
});
