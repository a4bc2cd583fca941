import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocketSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import { OpenTelemetryConfigSchema } from '@sluice/envoy-protos/envoy/config/trace/v3/opentelemetry_pb.js';
import type { HttpConnectionManager_TracingSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { EnvironmentResourceDetectorConfigSchema } from '@sluice/envoy-protos/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector_pb.js';
import { StaticConfigResourceDetectorConfigSchema } from '@sluice/envoy-protos/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { SubjectAltNameMatcher_SanType } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { UpstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { type Collector, collectorAddress, type Tracing } from '../../model/index.ts';
import type { Resource, ResourceName } from '../serve/resource.ts';
import { anyOf, encodeResource } from './encode.ts';
import { durationOf, type Init, socketAddress } from './messages.ts';
import { translateSampler } from './sampling.ts';
import { SHOWN_IN_SPANS } from './shown-in-spans.ts';
import { CLUSTER } from './types.ts';

/** No cluster of an Ingress or a config has this name. */
export const COLLECTOR: ResourceName = { typeUrl: CLUSTER, name: 'sluice.collector' };

const CONNECT_TIMEOUT_MS = 5_000;
const EXPORT_TIMEOUT_MS = 10_000;
const ALL = 100;

/**
 * What an HTTP connection manager has so that its requests are told of: one span for what came, one for what was sent on.
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/trace/v3/opentelemetry.proto
 */
export function translateTracing(tracing: Tracing): Init<typeof HttpConnectionManager_TracingSchema> {
  return {
    // By a header of Envoy's own, which anybody could send.
    clientSampling: { value: 0 },
    // Not by chance either, since that would count for those that bring a trace, too: the tracer's sampler decides.
    randomSampling: { value: ALL },
    overallSampling: { value: ALL },
    spawnUpstreamSpan: true,
    customTags: [...SHOWN_IN_SPANS],
    provider: {
      name: 'envoy.tracers.opentelemetry',
      configType: { case: 'typedConfig', value: anyOf(OpenTelemetryConfigSchema, tracer(tracing)) },
    },
  };
}

function tracer({ collector, sampling, serviceName, resourceAttributes = {} }: Tracing): Init<typeof OpenTelemetryConfigSchema> {
  // The later ones count where several say the same.
  const environment = {
    name: 'envoy.tracers.opentelemetry.resource_detectors.environment',
    typedConfig: anyOf(EnvironmentResourceDetectorConfigSchema, {}),
  };
  const given = {
    name: 'envoy.tracers.opentelemetry.resource_detectors.static_config',
    typedConfig: anyOf(StaticConfigResourceDetectorConfigSchema, { attributes: { ...resourceAttributes } }),
  };
  const isGiven = Object.keys(resourceAttributes).length > 0;
  const resourceDetectors = [environment, ...(isGiven ? [given] : [])];
  return { serviceName, resourceDetectors, sampler: translateSampler(sampling), ...exporter(collector) };
}

function exporter({ protocol, endpoint, headers = {} }: Collector): Init<typeof OpenTelemetryConfigSchema> {
  const timeout = durationOf(EXPORT_TIMEOUT_MS);
  const pairs = Object.entries(headers).map(([key, value]) => ({ key: key.toLowerCase(), value }));
  if (protocol === 'grpc') {
    const value = { clusterName: COLLECTOR.name, authority: new URL(endpoint).host };
    return { grpcService: { targetSpecifier: { case: 'envoyGrpc', value }, timeout, initialMetadata: pairs } };
  }
  const uri = `${endpoint.replace(/\/$/, '')}/v1/traces`;
  return {
    httpService: {
      httpUri: { uri, httpUpstreamType: { case: 'cluster', value: COLLECTOR.name }, timeout },
      // Values are formats there.
      requestHeadersToAdd: pairs.map(({ key, value }) => ({ header: { key, value: value.replaceAll('%', '%%') } })),
    },
  };
}

/** Where spans go. Nothing waits for it: while it is away, or its name cannot be found, Envoy lets go of spans and counts them. */
export function translateCollector(collector: Collector): Resource {
  const { name } = COLLECTOR;
  const { host, port, isSecure } = collectorAddress(collector);
  const address = socketAddress(host, port);
  const isAddress = isIP(host) !== 0;
  const message = create(ClusterSchema, {
    name,
    // Of several addresses, of which the first may not answer, Envoy tries the others.
    clusterDiscoveryType: { case: 'type', value: isAddress ? Cluster_DiscoveryType.STATIC : Cluster_DiscoveryType.LOGICAL_DNS },
    ...(!isAddress && { dnsLookupFamily: Cluster_DnsLookupFamily.ALL, respectDnsTtl: true }),
    // Clusters of others would wait for its name.
    waitForWarmOnInit: false,
    connectTimeout: durationOf(CONNECT_TIMEOUT_MS),
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }] },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyOf(HttpProtocolOptionsSchema, {
        upstreamProtocolOptions: {
          case: 'explicitHttpConfig',
          value: {
            protocolConfig:
              collector.protocol === 'grpc' ? { case: 'http2ProtocolOptions', value: {} } : { case: 'httpProtocolOptions', value: {} },
          },
        },
      }),
    },
    ...(isSecure && { transportSocket: checkedTls(host, collector.certificateAuthorities) }),
  });
  return encodeResource(ClusterSchema, name, message);
}

function checkedTls(host: string, certificateAuthorities: string): Init<typeof TransportSocketSchema> {
  const isAddress = isIP(host) !== 0;
  const value = anyOf(UpstreamTlsContextSchema, {
    ...(!isAddress && { sni: host }),
    commonTlsContext: {
      validationContextType: {
        case: 'validationContext',
        value: {
          trustedCa: { specifier: { case: 'filename', value: certificateAuthorities } },
          matchTypedSubjectAltNames: [
            {
              sanType: isAddress ? SubjectAltNameMatcher_SanType.IP_ADDRESS : SubjectAltNameMatcher_SanType.DNS,
              matcher: { matchPattern: { case: 'exact', value: host } },
            },
          ],
        },
      },
    },
  });
  return { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig', value } };
}
