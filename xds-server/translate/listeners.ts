import { create } from '@bufbuild/protobuf';
import type { TransportSocketSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RBAC_Action } from '@sluice/envoy-protos/envoy/config/rbac/v3/rbac_pb.js';
import { ProxyProtocolSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js';
import { TlsInspectorSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { ConfigSchema as DirectResponseSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { DownstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/string_pb.js';
import type { Listener, PassthroughChain, TerminateChain, TlsChain, Tracing } from '../../model/index.ts';
import type { Resource, ResourceName } from '../serve/resource.ts';
import { SCOPE_KEEPER } from '../serve/types.ts';
import { anyOf, encodeResource } from './encode.ts';
import { translateHttpConnectionManager, translateScopeKeeper } from './http-connection-manager.ts';
import { FROM_ADS, type Init, listenAddress, socketAddress } from './messages.ts';
import { withRequestLogs } from './request-logs.ts';
import { markOption } from './socket-options.ts';
import { COLLECTOR } from './tracing.ts';
import { CLUSTER, ROUTES, SECRET } from './types.ts';

type FilterChainInit = Init<typeof FilterChainSchema>;
type Divided = (table: string) => boolean;

interface Serving {
  readonly listener: Listener;
  readonly isDivided: Divided;
  readonly tracing: Tracing | undefined;
}

export interface ListenerOptions {
  /** What the kernel of a node that enforces policies knows connections of Ingresses by. */
  readonly mark?: number;
  /** Whether requests and connections are told of, see {@link withRequestLogs}. */
  readonly logsRequests?: boolean;
  /** Absent: no spans of requests are told. */
  readonly tracing?: Tracing | undefined;
}

/**
 * @param isDivided whether a route table is served in shards rather than whole
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto
 */
export function translateListener(listener: Listener, isDivided: Divided, { mark, logsRequests, tracing }: ListenerOptions = {}): Resource {
  const serving = { listener, isDivided, tracing };
  const message = create(ListenerSchema, {
    name: listener.name,
    address: listenAddress(listener.address, listener.port),
    listenerFilters: listenerFilters(listener),
    filterChains: [...plaintextChain(serving), ...listener.tlsChains.map((chain) => tlsChain(serving, chain))],
    statPrefix: listener.name,
    ...(mark !== undefined && { socketOptions: [markOption(mark)] }),
  });
  const told = logsRequests ? withRequestLogs(message) : message;
  return encodeResource(ListenerSchema, listener.name, told, [...requirementsOf(listener, isDivided), ...(tracing ? [COLLECTOR] : [])]);
}

/**
 * A listener that listens nowhere. A listener whose table becomes divided does not wait for routes that its scopes name, and
 * would know no host until they came; what this one uses, it finds there. All share one subscription to scopes.
 * @param table any that can be divided
 */
export function translateScopeKeeperListener(table: string): Resource {
  const message = create(ListenerSchema, {
    name: SCOPE_KEEPER,
    address: socketAddress('127.0.0.1', 1),
    bindToPort: false,
    filterChains: [{ filters: [translateScopeKeeper(SCOPE_KEEPER, table)] }],
  });
  return encodeResource(ListenerSchema, SCOPE_KEEPER, message);
}

function requirementsOf({ plaintextTable, tlsChains }: Listener, isDivided: Divided): readonly ResourceName[] {
  const names = new Map<string, ResourceName>();
  const need = (typeUrl: string, name: string) => names.set(`${typeUrl} ${name}`, { typeUrl, name });
  const needRoutes = (table: string) => isDivided(table) || need(ROUTES, table);
  if (plaintextTable !== undefined) needRoutes(plaintextTable);
  for (const chain of tlsChains) {
    if (chain.kind === 'terminate') {
      need(SECRET, chain.certificate);
      needRoutes(chain.routeTable);
    } else if (chain.cluster !== undefined) need(CLUSTER, chain.cluster);
  }
  return [...names.values()];
}

function listenerFilters(listener: Listener): Init<typeof ListenerFilterSchema>[] {
  const filters: Init<typeof ListenerFilterSchema>[] = [];
  if (listener.http.proxyProtocol) {
    const config = anyOf(ProxyProtocolSchema, {});
    filters.push({ name: 'envoy.filters.listener.proxy_protocol', configType: { case: 'typedConfig', value: config } });
  }
  if (listener.tlsChains.length > 0) {
    const config = anyOf(TlsInspectorSchema, {});
    filters.push({ name: 'envoy.filters.listener.tls_inspector', configType: { case: 'typedConfig', value: config } });
  }
  return filters;
}

function plaintextChain(serving: Serving): FilterChainInit[] {
  const { listener } = serving;
  if (listener.plaintextTable === undefined) return [];
  return [
    {
      name: 'plaintext',
      filterChainMatch: { transportProtocol: listener.tlsChains.length > 0 ? 'raw_buffer' : '' },
      filters: [serveHttp(serving, listener.plaintextTable)],
    },
  ];
}

function serveHttp({ listener, isDivided, tracing }: Serving, table: string): Init<typeof FilterSchema> {
  return translateHttpConnectionManager(listener, table, isDivided(table), tracing);
}

function tlsChain(serving: Serving, chain: TlsChain): FilterChainInit {
  return chain.kind === 'terminate' ? terminate(serving, chain) : passthrough(chain);
}

function terminate(serving: Serving, chain: TerminateChain): FilterChainInit {
  return {
    name: chain.name,
    filterChainMatch: { transportProtocol: 'tls', serverNames: [...chain.serverNames] },
    filters: [
      ...(chain.unnamedOnly ? [onlyServerNames('unnamed', { matchPattern: { case: 'exact', value: '' } })] : []),
      serveHttp(serving, chain.routeTable),
    ],
    transportSocket: downstreamTls(chain.certificate),
  };
}

function downstreamTls(certificate: string): Init<typeof TransportSocketSchema> {
  const context = anyOf(DownstreamTlsContextSchema, {
    commonTlsContext: {
      alpnProtocols: ['h2', 'http/1.1'],
      tlsCertificateSdsSecretConfigs: [{ name: certificate, sdsConfig: FROM_ADS }],
    },
  });
  return { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig', value: context } };
}

function passthrough(chain: PassthroughChain): FilterChainInit {
  return {
    name: chain.name,
    filterChainMatch: { transportProtocol: 'tls', serverNames: [chain.serverName] },
    filters: [...onlyOneLabel(chain.serverName), chain.cluster === undefined ? closeConnection() : tcpProxy(chain.name, chain.cluster)],
  };
}

function tcpProxy(statPrefix: string, cluster: string): Init<typeof FilterSchema> {
  const config = anyOf(TcpProxySchema, { statPrefix, clusterSpecifier: { case: 'cluster', value: cluster } });
  return { name: 'envoy.filters.network.tcp_proxy', configType: { case: 'typedConfig', value: config } };
}

function closeConnection(): Init<typeof FilterSchema> {
  return { name: 'envoy.filters.network.direct_response', configType: { case: 'typedConfig', value: anyOf(DirectResponseSchema, {}) } };
}

/** Envoy's wildcard server names take any number of labels, so what has more than one is refused here. */
function onlyOneLabel(serverName: string): Init<typeof FilterSchema>[] {
  if (!serverName.startsWith('*.')) return [];
  const regex = `[^.]+${serverName.slice(1).replaceAll('.', '\\.')}`;
  return [onlyServerNames('one label', { matchPattern: { case: 'safeRegex', value: { regex } } })];
}

/** Refuses connections whose server name, which is empty where a client tells none, is not of these. */
function onlyServerNames(policy: string, name: Init<typeof StringMatcherSchema>): Init<typeof FilterSchema> {
  const config = anyOf(RBACSchema, {
    statPrefix: 'server_name',
    rules: {
      action: RBAC_Action.ALLOW,
      policies: {
        [policy]: {
          permissions: [{ rule: { case: 'requestedServerName', value: name } }],
          principals: [{ identifier: { case: 'any', value: true } }],
        },
      },
    },
  });
  return { name: 'envoy.filters.network.rbac', configType: { case: 'typedConfig', value: config } };
}
