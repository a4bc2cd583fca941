import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { type Direction, UPSTREAM_PORTS } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/index.ts';
import { anyOf, encodeResource } from '../../xds-server/translate/encode.ts';
import { durationOf, type Init } from '../../xds-server/translate/messages.ts';
import { portRangeOptions } from '../../xds-server/translate/socket-options.ts';
import { NOTHING_WAITS } from './buffers.ts';
import { HTTP1_OPTIONS, HTTP2_OPTIONS, MAX_HEADERS, MAX_HEADERS_KB } from './http-options.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import { originalDestinationCluster, type SlotKind } from './names.ts';

export interface SteeringClusterOptions {
  readonly connectTimeoutMs: number;
  /** How long a connection of HTTP may carry no request; 0 for any time. */
  readonly idleTimeoutMs: number;
}

const UNLIMITED = 0xffff_ffff;
/** Hosts of a cluster of this kind are made as connections come, and forgotten when they have had none for so long. */
const CLEANUP_MS = 60_000;

/**
 * The clusters of all slots, one for each direction and kind: each connection goes on to the address that its client asked for.
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/service_discovery#original-destination
 */
export function translateSteeringClusters(options: SteeringClusterOptions): readonly Resource[] {
  return (['egress', 'ingress'] as const).flatMap((direction) => [
    steeringCluster(direction, 'http', options, requestsOf(options)),
    steeringCluster(direction, 'tls', options, { perConnectionBufferLimitBytes: NOTHING_WAITS }),
  ]);
}

function steeringCluster(
  direction: Direction,
  kind: SlotKind,
  { connectTimeoutMs }: SteeringClusterOptions,
  ofKind: Init<typeof ClusterSchema>,
): Resource {
  const name = originalDestinationCluster(direction, kind);
  const message = create(ClusterSchema, {
    name,
    altStatName: `original-dst_${direction}_${kind}`,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: durationOf(connectTimeoutMs),
    cleanupInterval: durationOf(CLEANUP_MS),
    circuitBreakers: {
      thresholds: [{ maxConnections: UNLIMITED, maxPendingRequests: UNLIMITED, maxRequests: UNLIMITED, maxRetries: UNLIMITED }],
    },
    upstreamConnectionOptions: {
      tcpKeepalive: {
        keepaliveTime: KEEP_ALIVE.idleSeconds,
        keepaliveInterval: KEEP_ALIVE.intervalSeconds,
        keepaliveProbes: KEEP_ALIVE.probes,
      },
    },
    upstreamBindConfig: { socketOptions: portRangeOptions(UPSTREAM_PORTS[direction]) },
    // What one client opened is not another's, who may have another identity: verdicts are on connections.
    connectionPoolPerDownstreamConnection: true,
    ...ofKind,
  });
  return encodeResource(ClusterSchema, name, message);
}

function requestsOf({ idleTimeoutMs }: SteeringClusterOptions): Init<typeof ClusterSchema> {
  return {
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyOf(HttpProtocolOptionsSchema, {
        commonHttpProtocolOptions: {
          idleTimeout: durationOf(idleTimeoutMs),
          maxHeadersCount: MAX_HEADERS,
          maxResponseHeadersKb: MAX_HEADERS_KB,
        },
        upstreamProtocolOptions: {
          case: 'useDownstreamProtocolConfig',
          value: { httpProtocolOptions: HTTP1_OPTIONS, http2ProtocolOptions: HTTP2_OPTIONS },
        },
      }),
    },
  };
}
