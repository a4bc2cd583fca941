import { create, toBinary } from '@bufbuild/protobuf';
import type { CircuitBreakersSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import type { OutlierDetectionSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/outlier_detection_pb.js';
import type { TransportSocketSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import { UpstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Cluster, OutlierDetection, UpstreamTls } from '../../model/index.ts';
import type { Resource } from '../serve/resource.ts';
import { anyOf, resourceOf } from './encode.ts';
import { durationOf, FROM_ADS, type Init, socketAddress } from './messages.ts';
import { markOption, transparentOption } from './socket-options.ts';
import { ENDPOINTS } from './types.ts';

const UNLIMITED = 0xffff_ffff;

// Envoy's own limit of 1,024 connections and requests a cluster turns load into errors; who wants a limit sets one.
export const NO_CIRCUIT_BREAKING: Init<typeof CircuitBreakersSchema> = {
  thresholds: [{ maxConnections: UNLIMITED, maxPendingRequests: UNLIMITED, maxRequests: UNLIMITED, maxRetries: UNLIMITED }],
};

/**
 * The address of a connection is that of a pod which another takes the place of now and then, and which stays for longer than this: `manifests/policy.yaml`.
 * Requests that are being answered go on.
 */
const LENT_ADDRESS_MS = 20_000;

/** Of Envoys whose nodes enforce policies. */
export interface ClusterOptions {
  /** What connections have in their mark by which the node's kernel gives them its ingress address; without it they are any process'. */
  readonly mark?: number;
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto */
export function translateCluster(cluster: Cluster, options: ClusterOptions = {}): Resource {
  const own = toBinary(ClusterSchema, create(ClusterSchema, { name: cluster.name, ...discovery(cluster) }));
  const body = Buffer.concat([own, encodeManner(cluster, options)]);
  const { discovery: found } = cluster;
  return resourceOf(ClusterSchema, cluster.name, body, found.kind === 'eds' ? [{ typeUrl: ENDPOINTS, name: found.serviceName }] : []);
}

type Manner = Pick<Cluster, 'protocol' | 'tls' | 'balancing' | 'options'>;

const manners = new Map<string, Uint8Array>();
/** Far more than settings and protocols can make; names of external hosts could make any number. */
const MAX_MANNERS = 64;

/**
 * All of a cluster that does not say which one it is. Thousands of clusters have it in common, and most of the work of
 * encoding them is in it; as fields of their own its bytes may follow those of any cluster.
 */
function encodeManner(manner: Manner, { mark }: ClusterOptions): Uint8Array {
  const { protocol, tls, balancing, options } = manner;
  const key = JSON.stringify([protocol, tls, balancing, options, mark]);
  const known = manners.get(key);
  if (known) return known;
  const message = create(ClusterSchema, {
    connectTimeout: durationOf(options.connectTimeoutMs),
    lbPolicy: balancing === 'hash' ? Cluster_LbPolicy.MAGLEV : Cluster_LbPolicy.ROUND_ROBIN,
    circuitBreakers: NO_CIRCUIT_BREAKING,
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': httpProtocolOptions(manner, mark !== undefined),
    },
    ...(options.outlierDetection && { outlierDetection: outlierDetection(options.outlierDetection) }),
    ...(tls && { transportSocket: upstreamTls(tls) }),
    ...(mark !== undefined && { upstreamBindConfig: { socketOptions: [markOption(mark), transparentOption()] } }),
  });
  const bytes = toBinary(ClusterSchema, message);
  if (manners.size >= MAX_MANNERS) manners.clear();
  manners.set(key, bytes);
  return bytes;
}

function discovery({ name, discovery }: Cluster): Init<typeof ClusterSchema> {
  if (discovery.kind === 'eds') {
    return {
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { serviceName: discovery.serviceName, edsConfig: FROM_ADS },
    };
  }
  const address = socketAddress(discovery.hostname, discovery.port);
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    dnsLookupFamily: Cluster_DnsLookupFamily.ALL,
    respectDnsTtl: true,
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }] },
  };
}

function httpProtocolOptions({ protocol, tls, options }: Manner, isAddressLent: boolean) {
  return anyOf(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: {
      idleTimeout: durationOf(options.idleTimeoutMs),
      ...(isAddressLent && { maxConnectionDuration: durationOf(LENT_ADDRESS_MS) }),
    },
    // Connections are then kept apart by host.
    ...(tls &&
      tls.serverName === undefined && {
        upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: tls.verification === 'system' },
      }),
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: {
        protocolConfig: protocol === 'http2' ? { case: 'http2ProtocolOptions', value: {} } : { case: 'httpProtocolOptions', value: {} },
      },
    },
  });
}

function outlierDetection(options: OutlierDetection): Init<typeof OutlierDetectionSchema> {
  return {
    splitExternalLocalOriginErrors: true,
    consecutive5xx: options.consecutiveErrors,
    consecutiveLocalOriginFailure: options.consecutiveErrors,
    interval: durationOf(options.intervalMs),
    baseEjectionTime: durationOf(options.baseEjectionMs),
    maxEjectionPercent: options.maxEjectionPercent,
  };
}

function upstreamTls(tls: UpstreamTls): Init<typeof TransportSocketSchema> {
  const context: Init<typeof UpstreamTlsContextSchema> = {
    sni: tls.serverName ?? '',
    autoSniSanValidation: tls.serverName !== undefined && tls.verification === 'system',
    commonTlsContext: {
      validationContextType:
        tls.verification === 'system'
          ? {
              case: 'validationContext',
              value: { trustedCa: { specifier: { case: 'filename', value: tls.certificateAuthorities ?? '' } } },
            }
          : { case: undefined },
    },
  };
  return {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: anyOf(UpstreamTlsContextSchema, context) },
  };
}
