import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  type Filter,
  type FilterChain,
  FilterChainMatchSchema,
  FilterSchema,
  type ListenerFilter,
  ListenerFilterSchema,
} from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { ConfigSchema as DirectResponseSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Slot } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/index.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { serverNameLogs } from './access-log.ts';
import { askRequests } from './ingress-connection-manager.ts';
import { discoveredServerNames, keepServerName } from './network-filters.ts';

const HTTP = typeUrlOf(HttpConnectionManagerSchema);

/**
 * A part of an encoded Listener, as {@link translateSlot} has it, for a slot of what comes to Ingresses: all of their listeners in one, each for the port
 * that its clients asked for, and the slot's rules before all that it does. What has no rules asked is as it was.
 * @param listeners of Ingresses, as they are served
 */
export function ingressListener(slot: Slot, listeners: readonly Resource[]): Uint8Array {
  const served = listeners.map(({ body }) => fromBinary(ListenerSchema, body));
  const chains = served.flatMap((listener) => listener.filterChains.map((chain) => ruledChain(slot, listener, chain)));
  const message = create(ListenerSchema, {
    statPrefix: `slot.${slot.direction}`,
    accessLog: slot.rules.kind === 'tls' ? serverNameLogs(slot) : [],
    listenerFilters: listenerFilters(slot, served),
    // A listener has to have some. Before there is an Ingress, nobody asks for any.
    filterChains: chains.length > 0 ? chains : [{ filters: [CLOSE] }],
  });
  return toBinary(ListenerSchema, message);
}

/** Each once. What all listeners have alike comes first in each of them. */
function listenerFilters({ rules }: Slot, listeners: readonly Listener[]): ListenerFilter[] {
  const filters = new Map<string, ListenerFilter>(
    listeners.flatMap((listener) => listener.listenerFilters.map((each) => [each.name, each] as const)),
  );
  if (rules.kind === 'tls' && !filters.has(TLS_INSPECTOR.name)) filters.set(TLS_INSPECTOR.name, TLS_INSPECTOR);
  return [...filters.values()];
}

const TLS_INSPECTOR = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: anyOf(TlsInspectorSchema, {}) },
});

function ruledChain(slot: Slot, { name, address }: Listener, chain: FilterChain): FilterChain {
  const match = chain.filterChainMatch ?? create(FilterChainMatchSchema);
  return {
    ...chain,
    name: `${name}/${chain.name}`,
    filterChainMatch: { ...match, destinationPort: portOf(address) },
    filters: slot.rules.kind === 'http' ? ofRequests(slot, chain.filters) : [...ofServerNames(slot), ...chain.filters],
  };
}

function portOf(address: Listener['address']): number {
  const { address: kind } = address ?? {};
  if (kind?.case !== 'socketAddress' || kind.value.portSpecifier.case !== 'portValue')
    throw new Error('a listener of Ingresses has no port');
  return kind.value.portSpecifier.value;
}

function ofServerNames(slot: Slot): Filter[] {
  return [keepServerName(), discoveredServerNames(slot)].map((filter) => create(FilterSchema, filter));
}

/** Of what is passed on as it is there are no requests to be asked, so none is allowed. */
function ofRequests(slot: Slot, filters: readonly Filter[]): Filter[] {
  const last = filters.at(-1);
  const passesAll = slot.allowsAll.length > 0 || slot.audits === true;
  if (last?.configType.case !== 'typedConfig' || last.configType.value.typeUrl !== HTTP)
    return passesAll ? [...filters] : [create(FilterSchema, CLOSE)];
  const manager = fromBinary(HttpConnectionManagerSchema, last.configType.value.value);
  const config = anyPack(HttpConnectionManagerSchema, askRequests(slot, manager));
  return [...filters.slice(0, -1), { ...last, configType: { case: 'typedConfig', value: config } }];
}

const CLOSE: Init<typeof FilterSchema> = {
  name: 'envoy.filters.network.direct_response',
  configType: { case: 'typedConfig', value: anyOf(DirectResponseSchema, {}) },
};
