import type { AccessLogFilterSchema, AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { StdoutAccessLogSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { ValueMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/value_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { SLOT_METADATA } from './compare-secrets.ts';
import { LOGGED } from './header-actions.ts';

/** Tells these lines from others on Envoy's standard output. */
export const LOG_KIND = 'sluice.slot';
const RBAC_METADATA = 'envoy.filters.http.rbac';
const RBAC_RESULT = 'enforced_engine_result';

/** No header but these is ever written: any other may be one that is compared with a Secret. */
const FIELDS = {
  kind: LOG_KIND,
  time: '%START_TIME%',
  requestId: '%REQ(X-REQUEST-ID)%',
  result: `%DYNAMIC_METADATA(${RBAC_METADATA}:${RBAC_RESULT})%`,
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%REQ(:PATH)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  client: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  destination: '%DOWNSTREAM_LOCAL_ADDRESS%',
} as const;

/** A line of JSON for each request that rules deny, or want to be logged. */
export function deniedRequests({ name }: Slot): Init<typeof AccessLogSchema> {
  const slot = name.replaceAll('%', '%%');
  const value = anyOf(StdoutAccessLogSchema, {
    accessLogFormat: { case: 'logFormat', value: { format: { case: 'jsonFormat', value: { ...FIELDS, slot } } } },
  });
  const filters = [
    hasMetadata(RBAC_METADATA, RBAC_RESULT, {
      matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: 'denied' } } },
    }),
    hasMetadata(SLOT_METADATA, LOGGED, { matchPattern: { case: 'boolMatch', value: true } }),
  ];
  return {
    name: 'envoy.access_loggers.stdout',
    filter: { filterSpecifier: { case: 'orFilter', value: { filters } } },
    configType: { case: 'typedConfig', value },
  };
}

function hasMetadata(filter: string, key: string, value: Init<typeof ValueMatcherSchema>): Init<typeof AccessLogFilterSchema> {
  const matcher = { filter, path: [{ segment: { case: 'key', value: key } } as const], value };
  return { filterSpecifier: { case: 'metadataFilter', value: { matcher, matchIfKeyNotFound: false } } };
}
