import type { Filter, FilterChain } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';

/** A listener with what is made of each of its network filters, in all of its chains. */
export function mapFilters(listener: Listener, map: (filter: Filter) => Filter): Listener {
  const mapped = (chain: FilterChain): FilterChain => ({ ...chain, filters: chain.filters.map(map) });
  const { filterChains, defaultFilterChain } = listener;
  return {
    ...listener,
    filterChains: filterChains.map(mapped),
    ...(defaultFilterChain && { defaultFilterChain: mapped(defaultFilterChain) }),
  };
}
