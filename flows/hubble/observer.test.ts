import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { FlowSchema, LostEventSource, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema, type GetFlowsResponse } from '@sluice/envoy-protos/hubble/observer_pb.js';
import { FlowLosses } from '../flow-losses.ts';
import { FlowRing } from '../flow-ring.ts';
import { OptionProblem } from '../option-problem.ts';
import { exampleFlow, exampleResponse } from '../testing/example-flow.ts';
import { flowMessage } from './flow-message.ts';
import { Observer } from './observer.ts';

type Request = MessageInitShape<typeof GetFlowsRequestSchema>;

const SECOND = 1_000_000_000n;
const NEVER = new AbortController().signal;

class Scene {
  readonly ring = new FlowRing(4);
  readonly losses = new FlowLosses();
  now = 100n * SECOND;
  readonly observer = new Observer({ ring: this.ring, losses: this.losses, node: 'n1', version: '1.2.3', now: () => this.now });

  async ask(request: Request): Promise<GetFlowsResponse[]> {
    const flows = this.observer.flows(create(GetFlowsRequestSchema, request), NEVER);
    assert.ok(!(flows instanceof OptionProblem));
    const responses: GetFlowsResponse[] = [];
    for await (const response of flows) responses.push(response);
    return responses;
  }

  /** The times of flows, in seconds. */
  async times(request: Request): Promise<number[]> {
    const responses = await this.ask(request);
    return responses.map(({ responseTypes }) => (responseTypes.case === 'flow' ? Number(responseTypes.value.time?.seconds) : Number.NaN));
  }
}

describe('what is asked of a node', () => {
  const scene = new Scene();
  for (const [at, verdict] of [
    [40, 'forwarded'],
    [50, 'dropped'],
    [60, 'forwarded'],
    [99, 'dropped'],
  ] as const) {
    scene.ring.add(exampleFlow({ time: BigInt(at) * SECOND, verdict }));
  }
  const dropped = { verdict: [Verdict.DROPPED] };

  const cases: readonly (readonly [what: string, request: Request, expected: readonly number[]])[] = [
    ['all', {}, [40, 50, 60, 99]],
    ['the last', { number: 2n }, [60, 99]],
    ['the first', { number: 1n, first: true }, [40]],
    ['what is wanted', { whitelist: [dropped] }, [50, 99]],
    ['what is not unwanted', { blacklist: [dropped] }, [40, 60]],
    ['what is wanted and not unwanted', { whitelist: [dropped], blacklist: [{ sourcePod: ['shop/'] }] }, []],
    ['a time', { since: { seconds: 50n }, until: { seconds: 60n } }, [50, 60]],
    ['the first of a time', { since: { seconds: 50n }, number: 1n }, [50]],
  ];
  for (const [what, request, expected] of cases) {
    test(what, async () => assert.deepEqual(await scene.times(request), expected));
  }

  test('its state', () => {
    const { numFlows, maxFlows, seenFlows, uptimeNs, version, flowsRate } = scene.observer.status();
    assert.deepEqual([numFlows, maxFlows, seenFlows, uptimeNs, version], [4n, 4n, 4n, 0n, '1.2.3']);
    assert.equal(flowsRate, 4 / 60);
    assert.deepEqual(
      scene.observer.nodes().nodes.map(({ name, seenFlows: seen }) => [name, seen]),
      [['default/n1', 4n]],
    );
  });

  test('namespaces of the last hour', async () => {
    const named = async () => (await scene.observer.namespaces()).namespaces.map(({ namespace }) => namespace);
    assert.deepEqual(await named(), ['back', 'shop']);
    scene.now = 4_000n * SECOND;
    assert.deepEqual(await named(), []);
  });

  test('what cannot be', () => {
    const cases: readonly (readonly [request: Request, problem: RegExp])[] = [
      [{ first: true, follow: true }, /^the first flows cannot be followed$/],
      [{ whitelist: [{ sourceIp: ['x'] }] }, /^"x" is neither an address nor a prefix of addresses$/],
      [{ blacklist: [{ protocol: ['x'] }] }, /is none of icmp/],
      [{ whitelist: Array(100).fill({}), blacklist: Array(29).fill({}) }, /^129 filters are more than the 128 that one may ask by$/],
      [{ whitelist: [{ sourceIp: Array(2_000).fill('::1'), httpMethod: Array(49).fill('x') }] }, /^2049 values in filters are more than /],
      [{ whitelist: [{ httpUrl: Array(9).fill('(.{30}){40}') }] }, /^\d+ instructions of .* are more than the 10000 /],
      [{ whitelist: [{ sourceFqdn: Array(10).fill('*a'.repeat(500)) }] }, /^15000 instructions of .* and patterns of names are more than /],
      [
        { blacklist: [{}, { nodeName: ['*a'.repeat(513)] }] },
        /^a value of node_name has 1026 characters, more than the 1024 that one may ask by$/,
      ],
      [{ whitelist: [{ destinationLabel: [' '.repeat(5_000)] }] }, /^a value of destination_label has 5000 characters, /],
    ];
    for (const [request, problem] of cases) {
      const found = scene.observer.flows(create(GetFlowsRequestSchema, request), NEVER);
      assert.ok(found instanceof OptionProblem);
      assert.match(found.message, problem);
    }
  });

  test('fields that are wanted, and such as nobody knows', async () => {
    const [response] = await scene.ask({ number: 1n, fieldMask: { paths: ['verdict', 'source.pod_name', 'Ethernet', 'l7'] } });
    assert.ok(response?.responseTypes.case === 'flow');
    assert.deepEqual(toJson(FlowSchema, response.responseTypes.value), { verdict: 'DROPPED', source: { podName: 'web-1' } });
  });
});

test('flows are counted by when they came, also such as began long before, or are forgotten', () => {
  const scene = new Scene();
  const rate = (at: number) => {
    scene.now = BigInt(at) * SECOND;
    return scene.observer.status().flowsRate * 60;
  };
  const add = (at: number, time: number) => {
    scene.now = BigInt(at) * SECOND;
    scene.ring.add(exampleFlow({ time: BigInt(time) * SECOND }));
  };
  for (let second = 0; second < 200; second++) add(1_000 + second, second % 2 === 0 ? 1_000 + second : 3);
  assert.equal(rate(1_199), 60);
  assert.equal(rate(1_219), 40);
  assert.equal(rate(1_258), 1);
  assert.equal(rate(1_259), 0);
});

test('who follows from now on hears of nothing that was', async () => {
  const scene = new Scene();
  scene.ring.add(exampleFlow());
  const over = new AbortController();
  const flows = scene.observer.flows(create(GetFlowsRequestSchema, { follow: true }), over.signal);
  assert.ok(!(flows instanceof OptionProblem));
  const next = flows.next();
  scene.ring.add(exampleFlow({ time: 7n * SECOND }));
  assert.equal((await next).value?.time?.seconds, 7n);
  over.abort();
});

test('what was lost is told, by where, with the next flow, and counted', async () => {
  const scene = new Scene();
  const over = new AbortController();
  scene.losses.add('kernel', 3n);
  scene.ring.add(exampleFlow({ time: 1n }));
  const flows = scene.observer.flows(create(GetFlowsRequestSchema, { number: 1n, follow: true }), over.signal);
  assert.ok(!(flows instanceof OptionProblem));
  const next = async () => {
    const { responseTypes: told } = (await flows.next()).value ?? {};
    if (told?.case === 'lostEvents') return [LostEventSource[told.value.source], told.value.numEventsLost];
    return told?.case === 'flow' ? told.value.time?.nanos : undefined;
  };
  assert.equal(await next(), 1, 'of what was lost before it was asked nothing is told');
  scene.losses.add('kernel', 2n);
  scene.losses.add('limit', 6n);
  scene.losses.add('enforcer', 1n);
  scene.losses.add('envoy', 4n);
  // Of these, two are forgotten before they are read.
  for (let time = 2n; time < 8n; time++) scene.ring.add(exampleFlow({ time }));
  assert.deepEqual(await next(), ['PERF_EVENT_RING_BUFFER', 2n]);
  assert.deepEqual(await next(), ['PERF_EVENT_RING_BUFFER', 6n]);
  assert.deepEqual(await next(), ['OBSERVER_EVENTS_QUEUE', 1n]);
  assert.deepEqual(await next(), ['OBSERVER_EVENTS_QUEUE', 4n]);
  assert.deepEqual(await next(), ['HUBBLE_RING_BUFFER', 2n]);
  assert.equal(await next(), 4);
  over.abort();
  assert.deepEqual(scene.losses.counts(), { kernel: 5, limit: 6, enforcer: 1, envoy: 4, agent: 0, reader: 2, export: 0 });
});

test('a response as clients know it', () => {
  const flow = flowMessage({ ...exampleResponse(404), decidedBy: [{ kind: 'CiliumNetworkPolicy', namespace: 'back', name: 'api' }] });
  assert.deepEqual(toJson(FlowSchema, flow), {
    time: '1970-01-01T00:00:01Z',
    verdict: 'FORWARDED',
    IP: { source: 'fd00::2', destination: '10.0.0.1', ipVersion: 'IPv6' },
    l4: { TCP: { sourcePort: 8080, destinationPort: 40000 } },
    source: {
      identity: 301,
      namespace: 'back',
      labels: ['k8s:app=api', 'reserved:odd'],
      podName: 'api-7',
      workloads: [{ name: 'api', kind: 'StatefulSet' }],
      clusterName: 'default',
    },
    destination: {
      identity: 300,
      namespace: 'shop',
      labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'],
      podName: 'web-1',
      workloads: [{ name: 'web', kind: 'Deployment' }],
      clusterName: 'default',
    },
    Type: 'L7',
    nodeName: 'default/n1',
    sourceNames: ['api.example.com'],
    l7: {
      type: 'RESPONSE',
      latencyNs: '2500000',
      http: {
        code: 404,
        method: 'GET',
        url: 'http://api/v1/users',
        protocol: 'HTTP/1.1',
        headers: [{ key: 'x-tenant', value: 'blue' }],
      },
    },
    reply: true,
    isReply: true,
    eventType: { type: 129 },
    sourceService: { name: 'api', namespace: 'back' },
    trafficDirection: 'INGRESS',
    uuid: '00000000-0000-4000-8000-000000000000',
    emitter: { name: 'Sluice' },
    Summary: 'HTTP/1.1 404 2ms (GET http://api/v1/users)',
    ingressAllowedBy: [{ name: 'api', namespace: 'back', kind: 'CiliumNetworkPolicy' }],
  });
});
