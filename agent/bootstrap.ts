import { create, createRegistry, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { type Bootstrap, BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import type { AddressSchema } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import {
  ApiConfigSource_ApiType,
  type ApiConfigSourceSchema,
  ApiVersion,
  type ConfigSourceSchema,
} from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import type { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { OverloadManagerSchema } from '@sluice/envoy-protos/envoy/config/overload/v3/overload_pb.js';
import { InternalListenerSchema } from '@sluice/envoy-protos/envoy/extensions/bootstrap/internal_listener/v3/internal_listener_pb.js';
import { CaresDnsResolverConfigSchema } from '@sluice/envoy-protos/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.js';
import { DownstreamConnectionsConfigSchema } from '@sluice/envoy-protos/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js';
import { HttpProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Settings } from '../settings/index.ts';
import { XDS_CLUSTER } from '../xds-server/serve/index.ts';

/** Enough for a busy node, and little enough that a flood of connections meets a limit before it meets the end of memory. */
const MAX_DOWNSTREAM_CONNECTIONS = 50_000n;
/** Envoy waits a random time below this, so a control plane that returns is found within it. */
const MAX_RECONNECT_MS = 400;
/**
 * Envoy takes no further cluster, of anybody, before it has the addresses of one that is given by a name, or has given up on them. Where its DNS server does
 * not answer, c-ares would do so after 5 s and three longer tries.
 */
const DNS_QUERY_SECONDS = 2n;
const DNS_TRIES = 2;
const OWNER_ONLY = 0o600;

export interface BootstrapOptions {
  /** Names this Envoy to the xDS server. */
  readonly nodeId: string;
  /** Names the group of Envoys that it belongs to. */
  readonly cluster: string;
  /** Path of the Unix socket that the xDS server listens on. */
  readonly xdsSocket: string;
  /** Path of the Unix socket on which Envoy's admin interface is to listen. */
  readonly adminSocket: string;
  /** Mode of the admin socket; default 0600. 0660 lets another user of Envoy's group in. */
  readonly adminSocketMode?: number;
  readonly settings: Pick<Settings['envoy'], 'regexMaxProgramSize'>;
}

/**
 * What Envoy is told before it can ask: who it is, where configuration comes from, and its limits. Everything else arrives
 * over one delta ADS stream.
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
 */
export function buildBootstrap(options: BootstrapOptions): Bootstrap {
  const { nodeId, cluster, xdsSocket, adminSocket, adminSocketMode = OWNER_ONLY, settings } = options;
  return create(BootstrapSchema, {
    node: { id: nodeId, cluster },
    // A node whose connections are used up must still say so.
    admin: { address: pipe(adminSocket, adminSocketMode), ignoreGlobalConnLimit: true },
    dynamicResources: { adsConfig: adsSource(), ldsConfig: overAds(), cdsConfig: overAds() },
    staticResources: { clusters: [xdsCluster(xdsSocket)] },
    layeredRuntime: { layers: [{ name: 'sluice', layerSpecifier: { case: 'staticLayer', value: runtime(settings) } }] },
    overloadManager: overloadManager(),
    typedDnsResolverConfig: dnsResolver(),
    // Without it no listener can be one that only other parts of the configuration reach.
    bootstrapExtensions: [
      { name: 'envoy.bootstrap.internal_listener', typedConfig: anyPack(InternalListenerSchema, create(InternalListenerSchema)) },
    ],
    // Thousands of clusters, few of them busy: the statistics of a cluster are made with its first request …
    deferredStatOptions: { enableDeferredCreationStats: true },
    // … and are gathered when someone asks, since nothing is pushed anywhere.
    statsFlush: { case: 'statsFlushOnAdmin', value: true },
  });
}

/** What a bootstrap packs; the registry of all messages of Envoy takes a quarter of a second and 30 MB to make. */
const PACKED = createRegistry(
  HttpProtocolOptionsSchema,
  DownstreamConnectionsConfigSchema,
  InternalListenerSchema,
  CaresDnsResolverConfigSchema,
);

/** The bootstrap as Envoy reads it from a file named `.json`. */
export function encodeBootstrap(bootstrap: Bootstrap): string {
  return `${toJsonString(BootstrapSchema, bootstrap, { registry: PACKED, prettySpaces: 2 })}\n`;
}

function adsSource(): MessageInitShape<typeof ApiConfigSourceSchema> {
  const retryBackOff = { baseInterval: durationFromMs(MAX_RECONNECT_MS / 4), maxInterval: durationFromMs(MAX_RECONNECT_MS) };
  return {
    apiType: ApiConfigSource_ApiType.DELTA_GRPC,
    // What it says of itself is as long as a thousand answers.
    setNodeOnFirstMessageOnly: true,
    transportApiVersion: ApiVersion.V3,
    grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: XDS_CLUSTER, retryPolicy: { retryBackOff } } } }],
  };
}

function overAds(): MessageInitShape<typeof ConfigSourceSchema> {
  return {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
    // By default Envoy goes live with nothing when no answer came for 15 s, and would refuse everyone.
    initialFetchTimeout: durationFromMs(0),
  };
}

function xdsCluster(socket: string): MessageInitShape<typeof ClusterSchema> {
  const http2 = create(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
    },
  });
  const endpoint = { address: pipe(socket) };
  return {
    name: XDS_CLUSTER,
    connectTimeout: durationFromMs(1_000),
    typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyPack(HttpProtocolOptionsSchema, http2) },
    loadAssignment: {
      clusterName: XDS_CLUSTER,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint } }] }],
    },
  };
}

function overloadManager(): MessageInitShape<typeof OverloadManagerSchema> {
  const limit = create(DownstreamConnectionsConfigSchema, { maxActiveDownstreamConnections: MAX_DOWNSTREAM_CONNECTIONS });
  return {
    resourceMonitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        configType: { case: 'typedConfig', value: anyPack(DownstreamConnectionsConfigSchema, limit) },
      },
    ],
  };
}

/** What Envoy has without it, but for how long it waits for an answer. */
function dnsResolver(): MessageInitShape<typeof TypedExtensionConfigSchema> {
  const cares = create(CaresDnsResolverConfigSchema, { queryTimeoutSeconds: DNS_QUERY_SECONDS, queryTries: DNS_TRIES });
  return { name: 'envoy.network.dns_resolver.cares', typedConfig: anyPack(CaresDnsResolverConfigSchema, cares) };
}

function runtime({ regexMaxProgramSize }: BootstrapOptions['settings']): Record<string, number> {
  return { 're2.max_program_size.error_level': regexMaxProgramSize, 're2.max_program_size.warn_level': regexMaxProgramSize };
}

function pipe(path: string, mode?: number): MessageInitShape<typeof AddressSchema> {
  return { address: { case: 'pipe', value: mode === undefined ? { path } : { path, mode } } };
}
