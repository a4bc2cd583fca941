import { create } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { Filter, FilterChain } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_TracingSchema,
  HttpConnectionManagerSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Tracing } from '../model/index.ts';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import { CONTINUE_B3 } from '../xds-server/translate/continue-b3.ts';
import { COLLECTOR, translateTracing } from '../xds-server/translate/tracing.ts';

export interface Traced {
  readonly listener: Listener;
  readonly requires: readonly ResourceName[];
}

/**
 * Has a listener tell of its requests. Where its owner says anything of tracing, be it nothing (`tracing: {}`), that stands.
 * @param tracing undefined: nothing is told
 */
export function traced(listener: Listener, requires: readonly ResourceName[], tracing: Tracing | undefined): Traced {
  const { filterChains, defaultFilterChain } = listener;
  const chains = [...filterChains, ...(defaultFilterChain ? [defaultFilterChain] : [])];
  if (!tracing || !chains.some((chain) => chain.filters.some(untracedManager))) return { listener, requires };
  const ofChain = (chain: FilterChain): FilterChain => ({
    ...chain,
    filters: chain.filters.map((filter) => tracedFilter(filter, tracing)),
  });
  const all = {
    ...listener,
    filterChains: filterChains.map(ofChain),
    ...(defaultFilterChain && { defaultFilterChain: ofChain(defaultFilterChain) }),
  };
  return { listener: all, requires: [...requires, COLLECTOR] };
}

function tracedFilter(filter: Filter, tracing: Tracing): Filter {
  const manager = untracedManager(filter);
  if (!manager) return filter;
  const value = anyPack(HttpConnectionManagerSchema, {
    ...manager,
    tracing: create(HttpConnectionManager_TracingSchema, translateTracing(tracing)),
    earlyHeaderMutationExtensions: [...manager.earlyHeaderMutationExtensions, create(TypedExtensionConfigSchema, CONTINUE_B3)],
  });
  return { ...filter, configType: { case: 'typedConfig', value } };
}

function untracedManager({ configType }: Filter): HttpConnectionManager | undefined {
  const manager = configType.case === 'typedConfig' ? anyUnpack(configType.value, HttpConnectionManagerSchema) : undefined;
  return manager?.tracing ? undefined : manager;
}
