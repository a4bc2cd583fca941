import type { Any } from '@bufbuild/protobuf/wkt';
import type { AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { StdoutAccessLogSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { HttpOptions, Listener, Tracing } from '../../model/index.ts';
import { CONTINUE_TRACES } from './continue-traces.ts';
import { anyOf } from './encode.ts';
import { durationOf, type Init } from './messages.ts';
import { translateNormalization } from './normalization.ts';
import { dividedRoutes, wholeRoutes } from './route-tables.ts';
import { UNASKED_REQUEST_ID } from './sampling.ts';
import { translateTracing } from './tracing.ts';
import { unknownHostFilters } from './unknown-host-filters.ts';

/** @see https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators */
const ACCESS_LOG_FIELDS = {
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  // A query may have secrets, and what a path was before it was changed (`ORIG`) is a header that clients may send as well.
  path: '%PATH(NQ:PATH)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  details: '%RESPONSE_CODE_DETAILS%',
  flags: '%RESPONSE_FLAGS%',
  bytesReceived: '%BYTES_RECEIVED%',
  bytesSent: '%BYTES_SENT%',
  durationMs: '%DURATION%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS%',
  forwardedFor: '%REQ(X-FORWARDED-FOR)%',
  serverName: '%REQUESTED_SERVER_NAME%',
  userAgent: '%REQ(USER-AGENT)%',
  requestId: '%REQ(X-REQUEST-ID)%',
  route: '%ROUTE_NAME%',
  cluster: '%UPSTREAM_CLUSTER%',
  upstream: '%UPSTREAM_HOST%',
} as const;

const ROUTER: Init<typeof HttpFilterSchema> = {
  name: 'envoy.filters.http.router',
  configType: { case: 'typedConfig', value: anyOf(RouterSchema, {}) },
};

/** The filter that serves HTTP from one route table of a listener. */
export function translateHttpConnectionManager(
  listener: Listener,
  table: string,
  isDivided: boolean,
  tracing?: Tracing,
): Init<typeof FilterSchema> {
  const { http } = listener;
  const config: Any = anyOf(HttpConnectionManagerSchema, {
    statPrefix: listener.name,
    codecType: HttpConnectionManager_CodecType.AUTO,
    routeSpecifier: isDivided ? { case: 'scopedRoutes', value: dividedRoutes(table) } : { case: 'rds', value: wholeRoutes(table) },
    useRemoteAddress: http.useRemoteAddress,
    xffNumTrustedHops: http.xffTrustedHops,
    streamIdleTimeout: durationOf(http.streamIdleTimeoutMs),
    ...translateNormalization(http),
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    accessLog: accessLog(http),
    httpFilters: [...(isDivided ? unknownHostFilters() : []), ROUTER],
    ...(tracing && {
      tracing: translateTracing(tracing),
      requestIdExtension: UNASKED_REQUEST_ID,
      earlyHeaderMutationExtensions: [CONTINUE_TRACES],
    }),
  });
  return { name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value: config } };
}

/**
 * A filter that gets no requests, and keeps the scopes and routes of all divided tables loaded.
 * @param table any that can be divided
 */
export function translateScopeKeeper(name: string, table: string): Init<typeof FilterSchema> {
  const config: Any = anyOf(HttpConnectionManagerSchema, {
    statPrefix: name,
    routeSpecifier: { case: 'scopedRoutes', value: dividedRoutes(table) },
    httpFilters: [ROUTER],
  });
  return { name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value: config } };
}

function accessLog(http: HttpOptions): Init<typeof AccessLogSchema>[] {
  if (http.accessLog === 'off') return [];
  const config = anyOf(StdoutAccessLogSchema, {
    accessLogFormat: {
      case: 'logFormat',
      value: { format: { case: 'jsonFormat', value: ACCESS_LOG_FIELDS } },
    },
  });
  return [{ name: 'envoy.access_loggers.stdout', configType: { case: 'typedConfig', value: config } }];
}
