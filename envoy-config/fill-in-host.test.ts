import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type Message } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { GrpcService_EnvoyGrpcSchema } from '@sluice/envoy-protos/envoy/config/core/v3/grpc_service_pb.js';
import { DatadogConfigSchema } from '@sluice/envoy-protos/envoy/config/trace/v3/datadog_pb.js';
import { ZipkinConfigSchema } from '@sluice/envoy-protos/envoy/config/trace/v3/zipkin_pb.js';
import { fillInHost } from './fill-in-host.ts';

/** By what stands in for the name of a cluster and of a host: the host that is there afterwards. */
const PLACES: Readonly<Record<string, (cluster: string, host: string) => { readonly message: Message; readonly host: () => unknown }>> = {
  'a gRPC service': (clusterName, authority) => {
    const message = create(GrpcService_EnvoyGrpcSchema, { clusterName, authority });
    return { message, host: () => message.authority };
  },
  'a collector of Zipkin': (collectorCluster, collectorHostname) => {
    const message = create(ZipkinConfigSchema, { collectorCluster, collectorHostname });
    return { message, host: () => message.collectorHostname };
  },
  'a collector of Datadog': (collectorCluster, collectorHostname) => {
    const message = create(DatadogConfigSchema, { collectorCluster, collectorHostname });
    return { message, host: () => message.collectorHostname };
  },
  'a health check by HTTP': (name, host) => {
    const message = create(ClusterSchema, { name, healthChecks: [{ healthChecker: { case: 'httpHealthCheck', value: { host } } }] });
    const { healthChecker } = message.healthChecks[0] ?? {};
    return { message, host: () => healthChecker?.case === 'httpHealthCheck' && healthChecker.value.host };
  },
  'a health check by gRPC': (name, authority) => {
    const message = create(ClusterSchema, { name, healthChecks: [{ healthChecker: { case: 'grpcHealthCheck', value: { authority } } }] });
    const { healthChecker } = message.healthChecks[0] ?? {};
    return { message, host: () => healthChecker?.case === 'grpcHealthCheck' && healthChecker.value.authority };
  },
};

const CASES = [
  { cluster: 'auth', written: '', host: 'auth' },
  { cluster: 'default/auth', written: '', host: 'auth' },
  { cluster: 'default/auth:9000', written: '', host: 'auth' },
  { cluster: 'default/auth', written: 'auth.example.com', host: 'auth.example.com' },
  { cluster: 'default/', written: '', host: '' },
];

for (const [place, make] of Object.entries(PLACES)) {
  describe(place, () => {
    for (const { cluster, written, host } of CASES) {
      test(`in ${cluster}${written && ` as ${written}`} is called by ${JSON.stringify(host)}`, () => {
        const made = make(cluster, written);
        assert.equal(fillInHost(made.message), host !== written);
        assert.equal(made.host(), host);
      });
    }
  });
}

test('what is checked otherwise has no host', () => {
  const cluster = create(ClusterSchema, { name: 'x', healthChecks: [{ healthChecker: { case: 'tcpHealthCheck', value: {} } }] });
  assert.equal(fillInHost(cluster), false);
});
