import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import type { Flow } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';
import { API, exampleFlow, exampleResponse, WEB } from '../testing/example-flow.ts';
import { FlowMetrics, type FlowMetricsOptions, type MetricOptions } from './flow-metrics.ts';
import { ProxyMetrics } from './proxy-metrics.ts';

/** Series but for buckets, and flows that there was room for, without comments, sorted. */
async function seriesOf(
  metrics: readonly MetricOptions[],
  flows: readonly Flow[],
  options: Partial<FlowMetricsOptions> = {},
): Promise<string[]> {
  const registry = new Registry();
  const made = FlowMetrics.of({ registry, metrics, ...options });
  assert.ok(!(made instanceof OptionProblem));
  for (const flow of flows) made.observe(flow);
  const lines = (await registry.metrics()).split('\n');
  const isOther = (line: string) =>
    line.startsWith('#') || line.includes('_bucket') || /^sluice_flow_metrics_overflow_total.* 0$/.test(line);
  return lines.filter((line) => line !== '' && !isOther(line)).sort();
}

const DROP = { kind: 'packet-dropped', verdict: 'dropped', reason: 'dropped-denied' } as const;
const DROPPED = exampleFlow(DROP);
const DNS = { kind: 'dns', query: 'a.', queryTypes: ['A'], canonicalNames: [], ttl: 5 } as const;
const ASKED = exampleFlow({ kind: 'exchange', protocol: 17, l7: { ...DNS, type: 'request', addresses: [], code: 0 } });
const NO_SUCH_NAME = exampleFlow({
  kind: 'exchange',
  protocol: 17,
  isReply: true,
  l7: { ...DNS, type: 'response', addresses: [], code: 3 },
});
const HOST = exampleFlow({ source: { address: '10.0.0.9', identity: 1, labels: ['reserved:host'] } });
const PING = exampleFlow({ protocol: 1, icmpType: 8, sourcePort: 0, destinationPort: 0 });
const { direction: _, ...BY_NOBODY } = exampleResponse(200);
const NO_SUCH_SERVER = exampleFlow({ kind: 'exchange', verdict: 'dropped', reason: 'dropped-server-name' });
const KAFKA = { kind: 'kafka', type: 'request', apiKey: 'fetch', apiVersion: 1, correlationId: 1, topic: 'a', errorCode: 0 } as const;

const CASES: readonly (readonly [name: string, flows: readonly Flow[], expected: readonly string[]])[] = [
  [
    'flow',
    [
      ...[exampleFlow(), exampleFlow(), DROPPED, exampleResponse(200), exampleFlow({ kind: 'connection-ended' })],
      ...[ASKED, exampleFlow({ kind: 'exchange', l7: KAFKA }), NO_SUCH_SERVER, exampleFlow({ protocol: 47 })],
    ],
    [
      'hubble_flows_processed_total{protocol="DNS",type="L7",subtype="DNS",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="HTTP",type="L7",subtype="HTTP",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="Kafka",type="L7",subtype="Kafka",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="TCP",type="Drop",subtype="",verdict="DROPPED"} 1',
      'hubble_flows_processed_total{protocol="TCP",type="PolicyVerdict",subtype="",verdict="FORWARDED"} 2',
      'hubble_flows_processed_total{protocol="TCP",type="Trace",subtype="to-endpoint",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="Unknown L4",type="PolicyVerdict",subtype="",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="Unknown L7",type="L7",subtype="",verdict="DROPPED"} 1',
    ],
  ],
  ['drop', [exampleFlow(), DROPPED], ['hubble_drop_total{reason="POLICY_DENY",protocol="TCP"} 1']],
  [
    'dns',
    [ASKED, NO_SUCH_NAME, { ...ASKED, verdict: 'dropped' }, exampleFlow()],
    [
      'hubble_dns_queries_total{rcode="",qtypes="A",ips_returned="0"} 1',
      'hubble_dns_queries_total{rcode="Policy denied",qtypes="A",ips_returned="0"} 1',
      'hubble_dns_responses_total{rcode="Non-Existent Domain",qtypes="A",ips_returned="0"} 1',
    ],
  ],
  [
    'httpV2',
    [exampleResponse(404), exampleFlow()],
    [
      'hubble_http_request_duration_seconds_count{method="GET",reporter="server"} 1',
      'hubble_http_request_duration_seconds_sum{method="GET",reporter="server"} 0.0025',
      'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="404",reporter="server"} 1',
    ],
  ],
  [
    'policy',
    [
      exampleFlow(),
      DROPPED,
      HOST,
      exampleFlow({ decidedBy: [{ kind: 'NetworkPolicy', namespace: 'a', name: 'b' }] }),
      exampleResponse(200),
    ],
    [
      'hubble_policy_verdicts_total{direction="ingress",match="l3-l4",action="forwarded"} 1',
      'hubble_policy_verdicts_total{direction="ingress",match="l7/http",action="forwarded"} 1',
      'hubble_policy_verdicts_total{direction="ingress",match="none",action="dropped"} 1',
      'hubble_policy_verdicts_total{direction="ingress",match="none",action="forwarded"} 1',
    ],
  ],
  ['tcp', [exampleFlow(), DROPPED, exampleFlow({ protocol: 17 })], ['hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1']],
  [
    'port-distribution',
    [exampleFlow(), exampleResponse(200), PING, exampleFlow({ protocol: 47, destinationPort: 0 })],
    ['hubble_port_distribution_total{protocol="ICMPv4",port="0"} 1', 'hubble_port_distribution_total{protocol="TCP",port="8080"} 1'],
  ],
  [
    'icmp',
    [
      PING,
      { ...PING, kind: 'connection-ended' },
      exampleFlow({ protocol: 1, icmpType: 0, kind: 'packet-dropped', verdict: 'dropped' }),
      exampleFlow({ protocol: 1, kind: 'packet-dropped', verdict: 'dropped' }),
      exampleFlow({ protocol: 1, icmpType: 42 }),
      exampleFlow({ protocol: 58, icmpType: 128, source: API }),
      exampleFlow({ protocol: 58, icmpType: 143, source: API }),
      exampleFlow(),
    ],
    [
      'hubble_icmp_total{family="IPv4",type="42"} 1',
      'hubble_icmp_total{family="IPv4",type="EchoReply"} 1',
      'hubble_icmp_total{family="IPv4",type="EchoRequest"} 1',
      'hubble_icmp_total{family="IPv6",type="143"} 1',
      'hubble_icmp_total{family="IPv6",type="EchoRequest"} 1',
    ],
  ],
];

describe('metrics of flows', () => {
  for (const [name, flows, expected] of CASES) test(name, async () => assert.deepEqual(await seriesOf([{ name }], flows), expected));

  test('verdicts are of what policies were asked about alone', async () => {
    const flows = [
      BY_NOBODY,
      exampleFlow({ kind: 'packet-dropped', verdict: 'dropped', reason: 'dropped-spoofed' }),
      { ...HOST, ...DROP },
      exampleFlow({ kind: 'connection-ended' }),
    ];
    assert.deepEqual(await seriesOf([{ name: 'policy' }], flows), []);
  });

  test('verdicts are of requests of the host as of those of others', async () => {
    assert.deepEqual(await seriesOf([{ name: 'policy' }], [{ ...exampleResponse(200), source: HOST.source }, NO_SUCH_SERVER]), [
      'hubble_policy_verdicts_total{direction="ingress",match="l7/",action="dropped"} 1',
      'hubble_policy_verdicts_total{direction="ingress",match="l7/http",action="forwarded"} 1',
    ]);
  });
});

describe('series are told apart by', () => {
  const drop = (options: Omit<MetricOptions, 'name'>) => seriesOf([{ name: 'drop', ...options }], [DROPPED]);
  const REST = 'reason="POLICY_DENY",protocol="TCP"';
  for (const [what, options, labels] of [
    ['who sent', { sourceContext: ['workload'] }, 'source="shop/web"'],
    ['the first that is known', { sourceContext: ['dns', 'reserved-identity', 'app'] }, 'source="web"'],
    ['who was meant', { destinationContext: ['dns'] }, 'destination="api.example.com"'],
    [
      'who, by the way it goes',
      { sourceContext: ['ip'], sourceIngressContext: ['pod'], sourceEgressContext: ['namespace'] },
      'source="shop/web-1"',
    ],
    ['identity', { destinationContext: ['identity'] }, 'destination="k8s:app=api,reserved:odd"'],
    [
      'labels, in an order that is always the same',
      { labelsContext: ['traffic_direction', 'destination_workload_kind', 'source_ip'] },
      'source_ip="10.0.0.1",destination_workload_kind="StatefulSet",traffic_direction="ingress"',
    ],
  ] as const) {
    test(what, async () => assert.deepEqual(await drop(options), [`hubble_drop_total{${REST},${labels}} 1`]));
  }

  test('who asked, also where it is the answer that is counted', async () => {
    const series = await seriesOf([{ name: 'httpV2', sourceContext: ['pod'] }], [exampleResponse(200)]);
    assert.ok(
      series.every((line) => line.includes('source="shop/web-1"')),
      series.join('\n'),
    );
  });
});

test('a metric has as many series as it may, and what is beyond counts as of others', async () => {
  const of = (pod: string) => exampleFlow({ source: { ...WEB, pod }, destination: API });
  const flows = ['a', 'b', 'c', 'a', 'd'].map(of);
  assert.deepEqual(await seriesOf([{ name: 'port-distribution', sourceContext: ['pod-name'] }], flows, { maxSeries: 2 }), [
    'hubble_port_distribution_total{protocol="TCP",port="8080",source="a"} 2',
    'hubble_port_distribution_total{protocol="TCP",port="8080",source="b"} 1',
    'hubble_port_distribution_total{protocol="TCP",port="8080",source="other"} 2',
    'sluice_flow_metrics_overflow_total{metric="hubble_port_distribution_total"} 2',
  ]);
});

test('a pod of which nothing was heard for long gives its place to another, and no other does', async () => {
  const registry = new Registry();
  let now = 1_000;
  const metrics = [{ name: 'port-distribution', sourceContext: ['pod-name'] }];
  const made = FlowMetrics.of({ registry, metrics, maxSeries: 2, idleMs: 60_000, now: () => now });
  assert.ok(!(made instanceof OptionProblem));
  const told = async (...pods: readonly string[]) => {
    for (const pod of pods) made.observe(exampleFlow({ source: { ...WEB, pod } }));
    const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('hubble_port_distribution_total{'));
    return lines.map((line) => line.replace(/.*source="(.*)"\}/, '$1')).sort();
  };
  assert.deepEqual(await told('gone', 'stays', 'early'), ['gone 1', 'other 1', 'stays 1']);
  now += 59_000;
  assert.deepEqual(await told('stays', 'early'), ['gone 1', 'other 2', 'stays 2']);
  now += 1_000;
  assert.deepEqual(await told('next', 'early', 'stays'), ['next 1', 'other 3', 'stays 3']);
  now += 60_000;
  assert.deepEqual(await told('gone', 'stays', 'next'), ['gone 1', 'other 4', 'stays 4']);
});

test('what clients choose makes no more series either', async () => {
  const flows = Array.from({ length: 500 }, (_, index) => exampleFlow({ destinationPort: 1 + index }));
  const series = await seriesOf([{ name: 'port-distribution' }], flows, { maxSeries: 10 });
  const ports = series.filter((line) => line.startsWith('hubble_port_distribution_total'));
  assert.equal(ports.length, 10 + 100 + 1);
  assert.ok(ports.includes('hubble_port_distribution_total{protocol="other",port="other"} 390'));
});

test('methods that nobody knows are one, so that they take no series from others', async () => {
  const of = (method: string) => {
    const { l7, ...rest } = exampleResponse(200);
    assert.ok(l7?.kind === 'http');
    return { ...rest, l7: { ...l7, method } };
  };
  const words = Array.from({ length: 500 }, (_, index) => of(`M${index}`));
  const series = await seriesOf([{ name: 'httpV2' }], [...words, of('PATCH')], { maxSeries: 10 });
  assert.deepEqual(
    series.filter((line) => !line.includes('_sum')),
    [
      'hubble_http_request_duration_seconds_count{method="PATCH",reporter="server"} 1',
      'hubble_http_request_duration_seconds_count{method="_OTHER",reporter="server"} 500',
      'hubble_http_requests_total{method="PATCH",protocol="HTTP/1.1",status="200",reporter="server"} 1',
      'hubble_http_requests_total{method="_OTHER",protocol="HTTP/1.1",status="200",reporter="server"} 500',
    ],
  );
});

test('what proxies decide, and how long answers take by them', async () => {
  const registry = new Registry();
  const metrics = new ProxyMetrics(registry);
  const { l7, ...rest } = exampleResponse(200);
  assert.ok(l7?.kind === 'http');
  const request = { ...rest, l7: { ...l7, type: 'request' } } as const;
  const { direction: _, ...judgedByNobody } = request;
  for (const flow of [exampleFlow(), request, judgedByNobody, { ...request, verdict: 'dropped' } as const, exampleResponse(200), ASKED])
    metrics.observe(flow);
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !/^#|_bucket/.test(line));
  assert.deepEqual(lines.sort(), [
    'cilium_policy_l7_total{rule="denied",proxy_type="envoy"} 1',
    'cilium_policy_l7_total{rule="forwarded",proxy_type="envoy"} 1',
    'cilium_policy_l7_total{rule="forwarded",proxy_type="fqdn"} 1',
    'cilium_policy_l7_total{rule="received",proxy_type="envoy"} 2',
    'cilium_policy_l7_total{rule="received",proxy_type="fqdn"} 1',
    'cilium_proxy_upstream_reply_seconds_count{error="",protocol_l7="http",scope="totalTime"} 1',
    'cilium_proxy_upstream_reply_seconds_sum{error="",protocol_l7="http",scope="totalTime"} 0.0025',
  ]);
});

describe('options that nobody can hold to are refused', () => {
  for (const [options, problem] of [
    [{ name: 'toString' }, '"toString" is none of the metrics flow, drop, dns, httpV2, policy, tcp, port-distribution, icmp'],
    [{ name: 'drop', sourceContext: ['who'] }, /^"who" is none of the contexts identity, namespace, /],
    [{ name: 'drop', destinationIngressContext: ['who'] }, /^"who" is none of the contexts /],
    [{ name: 'drop', labelsContext: ['who'] }, /^"who" is none of the labels source_ip, /],
  ] as const) {
    test(JSON.stringify(options), () => {
      const made = FlowMetrics.of({ registry: new Registry(), metrics: [options] });
      assert.ok(made instanceof OptionProblem);
      if (typeof problem === 'string') assert.equal(made.message, problem);
      else assert.match(made.message, problem);
    });
  }
});
