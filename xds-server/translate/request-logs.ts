import { create } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type AccessLogFilterSchema, AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import type { Filter } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  type CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '@sluice/envoy-protos/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { TRACE_HEADERS } from '../../flows/index.ts';
import { REQUEST_LOG, XDS_CLUSTER } from '../serve/types.ts';
import { anyOf } from './encode.ts';
import { mapFilters } from './map-filters.ts';
import { durationOf, type Init } from './messages.ts';

/** All that Envoy sends of headers, beside those that it has fields for. The method it knows by a number, if it is one of a few. */
export const LOGGED_HEADERS: readonly string[] = [':method', ...TRACE_HEADERS];

/** Half of what may pass between the end of a request and its being told of is left to a busy machine. */
const FLUSH_MS = 50;
/** What waits in a worker for whoever hears of it, at most; what there is no room for then, Envoy drops and counts. */
const WAITING_BYTES = 65_536;

/**
 * All listeners have the same, and Envoy makes one stream of what is the same: a thousand of them cost no more than one.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/access_loggers/grpc/v3/als.proto
 */
const COMMON = {
  logName: REQUEST_LOG,
  grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: XDS_CLUSTER } } },
  transportApiVersion: ApiVersion.V3,
  bufferFlushInterval: durationOf(FLUSH_MS),
  bufferSizeBytes: WAITING_BYTES,
} as const satisfies Init<typeof CommonGrpcAccessLogConfigSchema>;

/** Sends each request, once it has ended, to whoever serves this Envoy. @param filter which ones; default: all */
export function requestLog(filter?: Init<typeof AccessLogFilterSchema>): Init<typeof AccessLogSchema> {
  const value = anyOf(HttpGrpcAccessLogConfigSchema, { commonConfig: COMMON, additionalRequestHeadersToLog: [...LOGGED_HEADERS] });
  return { name: REQUEST_LOG, ...(filter && { filter }), configType: { case: 'typedConfig', value } };
}

/**
 * The same of connections that are passed on as they are.
 * @param states of which filters have left something that is to be told
 */
export function connectionLog(states: readonly string[] = []): Init<typeof AccessLogSchema> {
  const value = anyOf(TcpGrpcAccessLogConfigSchema, { commonConfig: { ...COMMON, filterStateObjectsToLog: [...states] } });
  return { name: REQUEST_LOG, configType: { case: 'typedConfig', value } };
}

/** A listener that tells of its requests and connections, beside all that it logs by itself. */
export function withRequestLogs(listener: Listener): Listener {
  return mapFilters(listener, (filter) => ({ ...filter, configType: logged(filter.configType) }));
}

function logged(config: Filter['configType']): Filter['configType'] {
  if (config.case !== 'typedConfig') return config;
  const manager = anyUnpack(config.value, HttpConnectionManagerSchema);
  if (manager) return typed(anyPack(HttpConnectionManagerSchema, { ...manager, accessLog: [...manager.accessLog, OF_REQUESTS] }));
  const proxy = anyUnpack(config.value, TcpProxySchema);
  return proxy ? typed(anyPack(TcpProxySchema, { ...proxy, accessLog: [...proxy.accessLog, OF_CONNECTIONS] })) : config;
}

const OF_REQUESTS = create(AccessLogSchema, requestLog());
const OF_CONNECTIONS = create(AccessLogSchema, connectionLog());

function typed(value: Any): Filter['configType'] {
  return { case: 'typedConfig', value };
}
