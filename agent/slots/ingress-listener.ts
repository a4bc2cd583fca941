import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  type Filter,
  type FilterChain,
  FilterChainMatchSchema,
  FilterChainSchema,
  FilterSchema,
  type ListenerFilter,
} from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { ConfigSchema as DirectResponseSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema, UpstreamConnectMode } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Resource } from '../../xds-server/serve/index.ts';
import { bothLogs } from './both-logs.ts';

const MAX_HELLO_BYTES = 65_536;

/**
 * A part of an encoded Listener for a slot of what comes to Ingresses: all of their listeners in one, each for the port that its clients ask for, with the
 * slot's rules before all that it does.
 * @param rules what comes before, as controllers tell it (`Slot.listener` in `sluice.node.v1`): its first filter chain before what serves HTTP, or
 *   connections as they are; its second, if any, in place of what serves no HTTP
 * @param listeners those of Ingresses that this node has
 */
export function ingressListener(rules: Uint8Array, listeners: readonly Resource[]): Uint8Array {
  const before = fromBinary(ListenerSchema, rules);
  const served = listeners.map(({ body }) => fromBinary(ListenerSchema, body));
  const chains = served.flatMap((listener) => listener.filterChains.flatMap((chain) => ruledChain(before, listener, chain)));
  return toBinary(ListenerSchema, {
    ...before,
    listenerFilters: listenerFilters([...served, before]),
    // A listener has to have some. Before there is an Ingress, nobody asks for any.
    filterChains: chains.length > 0 ? chains : [NOBODY],
  });
}

/** Each once. What all listeners have alike comes first in each of them. */
function listenerFilters(listeners: readonly Listener[]): ListenerFilter[] {
  const all = listeners.flatMap((listener) => listener.listenerFilters);
  return [...new Map(all.map((each) => [each.name, each])).values()];
}

/** None for a listener without a port, which nobody asks for. */
function ruledChain({ filterChains: [asked, unasked] }: Listener, listener: Listener, chain: FilterChain): FilterChain[] {
  const destinationPort = portOf(listener);
  if (destinationPort === undefined) return [];
  const match = chain.filterChainMatch ?? create(FilterChainMatchSchema);
  return [
    {
      ...chain,
      name: `${listener.name}/${chain.name}`,
      filterChainMatch: { ...match, destinationPort },
      filters: ruledFilters(asked?.filters ?? [], unasked?.filters, chain.filters),
    },
  ];
}

function portOf({ address }: Listener): number | undefined {
  const socket = address?.address.case === 'socketAddress' ? address.address.value : undefined;
  return socket?.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : undefined;
}

function ruledFilters(asked: readonly Filter[], unasked: readonly Filter[] | undefined, filters: readonly Filter[]): Filter[] {
  const [rules, manager] = [managerOf(asked), managerOf(filters)];
  if (!rules) return [...asked, ...filters.map(connectLater)];
  if (!manager) return [...(unasked ?? filters)];
  const config = anyPack(HttpConnectionManagerSchema, askFirst(rules, manager));
  return filters.with(-1, { ...(filters.at(-1) ?? create(FilterSchema)), configType: { case: 'typedConfig', value: config } });
}

/** Once the rules have seen the first bytes, in which TLS has the server's name: who may not be reached is to see no connection either. */
function connectLater(filter: Filter): Filter {
  const proxy = filter.configType.case === 'typedConfig' ? anyUnpack(filter.configType.value, TcpProxySchema) : undefined;
  if (!proxy) return filter;
  const upstreamConnectMode = UpstreamConnectMode.ON_DOWNSTREAM_DATA;
  const value = anyPack(TcpProxySchema, { ...proxy, upstreamConnectMode, maxEarlyDataBytes: MAX_HELLO_BYTES });
  return { ...filter, configType: { case: 'typedConfig', value } };
}

/** It comes last where there is one. */
function managerOf(filters: readonly Filter[]): HttpConnectionManager | undefined {
  const config = filters.at(-1)?.configType;
  return config?.case === 'typedConfig' ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
}

function askFirst(rules: HttpConnectionManager, manager: HttpConnectionManager): HttpConnectionManager {
  const localReplyConfig = rules.localReplyConfig ?? manager.localReplyConfig;
  return {
    ...manager,
    earlyHeaderMutationExtensions: [...rules.earlyHeaderMutationExtensions, ...manager.earlyHeaderMutationExtensions],
    httpFilters: [...rules.httpFilters, ...manager.httpFilters],
    accessLog: bothLogs(manager.accessLog, rules.accessLog),
    ...(localReplyConfig && { localReplyConfig }),
  };
}

const NOBODY: FilterChain = create(FilterChainSchema, {
  filters: [
    {
      name: 'envoy.filters.network.direct_response',
      configType: { case: 'typedConfig', value: anyPack(DirectResponseSchema, create(DirectResponseSchema)) },
    },
  ],
});
