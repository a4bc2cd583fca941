import { create } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import type { Filter } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_TracingSchema,
  HttpConnectionManagerSchema,
  type RequestIDExtension,
  RequestIDExtensionSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { UuidRequestIdConfigSchema } from '@sluice/envoy-protos/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import type { Tracing } from '../model/index.ts';
import type { ResourceName } from '../xds-server/serve/resource.ts';
import { CONTINUE_TRACES } from '../xds-server/translate/continue-traces.ts';
import { mapFilters } from '../xds-server/translate/map-filters.ts';
import { UNASKED_REQUEST_ID } from '../xds-server/translate/sampling.ts';
import { COLLECTOR, translateTracing } from '../xds-server/translate/tracing.ts';
import { chainsOf, managerOf } from './filter-chains.ts';

export interface Traced {
  readonly listener: Listener;
  readonly requires: readonly ResourceName[];
}

/**
 * Has a listener tell of its requests. Where its owner says anything of tracing, be it nothing (`tracing: {}`), that stands.
 * @param tracing undefined: nothing is told
 */
export function traced(listener: Listener, requires: readonly ResourceName[], tracing: Tracing | undefined): Traced {
  const filters = [...chainsOf(listener)].flatMap(([chain]) => chain.filters);
  if (!tracing || !filters.some(untracedManager)) return { listener, requires };
  return { listener: mapFilters(listener, (filter) => tracedFilter(filter, tracing)), requires: [...requires, COLLECTOR] };
}

function tracedFilter(filter: Filter, tracing: Tracing): Filter {
  const manager = untracedManager(filter);
  if (!manager) return filter;
  const value = anyPack(HttpConnectionManagerSchema, {
    ...manager,
    tracing: create(HttpConnectionManager_TracingSchema, translateTracing(tracing)),
    requestIdExtension: unasked(manager.requestIdExtension),
    earlyHeaderMutationExtensions: [...manager.earlyHeaderMutationExtensions, create(TypedExtensionConfigSchema, CONTINUE_TRACES)],
  });
  return { ...filter, configType: { case: 'typedConfig', value } };
}

/** As its owner has it, but for what decides of traces. */
function unasked(own: RequestIDExtension | undefined): RequestIDExtension {
  if (!own?.typedConfig) return create(RequestIDExtensionSchema, UNASKED_REQUEST_ID);
  const uuid = anyUnpack(own.typedConfig, UuidRequestIdConfigSchema);
  if (!uuid) return own;
  return { ...own, typedConfig: anyPack(UuidRequestIdConfigSchema, { ...uuid, useRequestIdForTraceSampling: false }) };
}

function untracedManager(filter: Filter): HttpConnectionManager | undefined {
  const manager = managerOf(filter);
  return manager?.tracing ? undefined : manager;
}
