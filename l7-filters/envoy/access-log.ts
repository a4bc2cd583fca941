import type { AccessLogFilterSchema, AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import { HttpGrpcAccessLogConfigSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { StdoutAccessLogSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { ValueMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/value_pb.js';
import type { Slot } from '../../model/index.ts';
import { XDS_CLUSTER } from '../../xds-server/serve/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { SLOT_METADATA } from './compare-secrets.ts';
import { LOGGED } from './header-actions.ts';

/** Tells these lines from others on Envoy's standard output. */
export const LOG_KIND = 'sluice.slot';
const RBAC_METADATA = 'envoy.filters.http.rbac';
const ENFORCED = 'enforced_engine_result';
const AUDITED = 'shadow_engine_result';

/** No header but these is ever written: any other may be one that is compared with a Secret. */
const FIELDS = {
  kind: LOG_KIND,
  time: '%START_TIME%',
  requestId: '%REQ(X-REQUEST-ID)%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%REQ(:PATH)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  client: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  destination: '%DOWNSTREAM_LOCAL_ADDRESS%',
} as const;

/** Requests that rules deny, or would without audit mode, or want to be logged. */
export function slotLogs(slot: Slot): Init<typeof AccessLogSchema>[] {
  return [lines(slot), messages(slot)];
}

/** A line of JSON for each. */
function lines(slot: Slot): Init<typeof AccessLogSchema> {
  const fields = {
    ...FIELDS,
    slot: slot.name.replaceAll('%', '%%'),
    result: `%DYNAMIC_METADATA(${RBAC_METADATA}:${resultOf(slot)})%`,
    ...(slot.audits && { audited: true }),
  };
  const value = anyOf(StdoutAccessLogSchema, {
    accessLogFormat: { case: 'logFormat', value: { format: { case: 'jsonFormat', value: fields } } },
  });
  const filters = [isDenied(slot), hasMetadata(SLOT_METADATA, LOGGED, { matchPattern: { case: 'boolMatch', value: true } })];
  return {
    name: 'envoy.access_loggers.stdout',
    filter: { filterSpecifier: { case: 'orFilter', value: { filters } } },
    configType: { case: 'typedConfig', value },
  };
}

/** A message for each that is denied to whoever serves this Envoy, at once: its client may be about to ask why. */
function messages(slot: Slot): Init<typeof AccessLogSchema> {
  const value = anyOf(HttpGrpcAccessLogConfigSchema, {
    commonConfig: {
      logName: slot.name,
      grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: XDS_CLUSTER } } },
      transportApiVersion: ApiVersion.V3,
      bufferSizeBytes: 0,
    },
    // Which it knows by a number, if it is one of a few.
    additionalRequestHeadersToLog: [':method'],
  });
  return { name: 'envoy.access_loggers.http_grpc', filter: isDenied(slot), configType: { case: 'typedConfig', value } };
}

function isDenied(slot: Slot): Init<typeof AccessLogFilterSchema> {
  return hasMetadata(RBAC_METADATA, resultOf(slot), {
    matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: 'denied' } } },
  });
}

function resultOf({ audits }: Slot): string {
  return audits ? AUDITED : ENFORCED;
}

function hasMetadata(filter: string, key: string, value: Init<typeof ValueMatcherSchema>): Init<typeof AccessLogFilterSchema> {
  const matcher = { filter, path: [{ segment: { case: 'key', value: key } } as const], value };
  return { filterSpecifier: { case: 'metadataFilter', value: { matcher, matchIfKeyNotFound: false } } };
}
