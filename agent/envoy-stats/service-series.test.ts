import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/ports.ts';
import { ProxiedEnvoy } from '../../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { renderServiceSeries, SERVICE_STATS } from './service-series.ts';

function seriesOf(text: string, maxOwners = 100): string[] {
  return renderServiceSeries(text, maxOwners)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const LEFT_OUT = 'sluice_service_series_left_out';

test('what Envoy says of a Service, in names of ours and in seconds', () => {
  const text = [
    '# TYPE envoy_cluster_upstream_rq_xx counter',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop_web_80"} 3',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="sluice-xds"} 1',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="a/b_c_1"} 1',
    'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop_web_80",le="0.5"} 0',
    'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop_web_80",le="+Inf"} 3',
    'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="shop_web_80"} 4.1440185830429729918478187755682',
    'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="shop_web_80"} 3',
    'envoy_cluster_upstream_cx_total{envoy_cluster_name="shop_web_80"} 9',
    'envoy_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="http"} 1',
    'envoy_http_downstream_rq_xx{envoy_response_code_class="4",envoy_http_conn_manager_prefix="admin"} 1',
  ].join('\n');
  assert.deepEqual(seriesOf(text), [
    'sluice_service_requests_total{namespace="shop",service="web",port="80",code="2xx"} 3',
    'sluice_service_request_duration_seconds_bucket{namespace="shop",service="web",port="80",le="0.0005"} 0',
    'sluice_service_request_duration_seconds_bucket{namespace="shop",service="web",port="80",le="+Inf"} 3',
    'sluice_service_request_duration_seconds_sum{namespace="shop",service="web",port="80"} 0.004144018583042973',
    'sluice_service_request_duration_seconds_count{namespace="shop",service="web",port="80"} 3',
    'sluice_listener_requests_total{listener="http",code="4xx"} 1',
    `${LEFT_OUT} 0`,
  ]);
});

test('no more Services than it may, and how many are left out', () => {
  const of = (service: string) => [
    `envoy_cluster_membership_total{envoy_cluster_name="shop_${service}_80"} 1`,
    `envoy_cluster_upstream_rq_active{envoy_cluster_name="shop_${service}_80"} 0`,
  ];
  const series = seriesOf(['a', 'b', 'c', 'd'].flatMap(of).join('\n'), 2);
  assert.deepEqual(
    series.map((line) => /service="(\w)"/.exec(line)?.[1] ?? line),
    ['a', 'b', 'a', 'b', `${LEFT_OUT} 2`],
  );
});

test('a running Envoy has all of it under the names that it is asked for', needs('envoy'), async () => {
  using folder = new TemporaryFolder();
  await using backend = await Backend.start({ name: 'a' });
  const listenPort = await freePort();
  await using proxied = await ProxiedEnvoy.start({ statePath: folder.join('state'), listenPort, backendPort: backend.port });
  await (await fetch(`http://127.0.0.1:${listenPort}/`)).text();
  // Its cluster has no name of a Service.
  const asService = (text: string) => text.replaceAll('envoy_cluster_name="backend"', 'envoy_cluster_name="shop_web_80"');
  await eventually(async () => {
    const text = await proxied.envoy.admin.prometheusStats(SERVICE_STATS);
    assert.doesNotMatch(text, /envoy_cluster_upstream_cx_total/);
    const names = new Set(seriesOf(asService(text)).map((line) => line.replace(/[{ ].*/, '').replace(/_(bucket|sum|count)$/, '')));
    for (const name of [
      'sluice_service_requests_total',
      'sluice_service_request_duration_seconds',
      'sluice_service_requests_active',
      'sluice_service_endpoints',
      'sluice_service_endpoints_healthy',
      'sluice_listener_requests_total',
      'sluice_listener_request_duration_seconds',
      'sluice_listener_requests_active',
    ]) {
      assert.ok(names.has(name), `${name} is not among ${[...names].join(', ')}`);
    }
  });
});
