import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Filter, FilterChain } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { below, type Path } from './messages/path.ts';

/** Of a listener, with where they stand in it; the default one comes last. */
export function* chainsOf({ filterChains, defaultFilterChain }: Listener): Generator<readonly [chain: FilterChain, at: Path]> {
  const chains = below(undefined, 'filterChains');
  for (const [index, chain] of filterChains.entries()) yield [chain, below(chains, index)];
  if (defaultFilterChain) yield [defaultFilterChain, below(undefined, 'defaultFilterChain')];
}

/** What a network filter is told, where it is the one that serves HTTP. */
export function managerOf({ configType }: Filter): HttpConnectionManager | undefined {
  return configType.case === 'typedConfig' ? anyUnpack(configType.value, HttpConnectionManagerSchema) : undefined;
}
