import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import type { AccessLogFilterSchema, AccessLogSchema } from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import { ExpressionFilterSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import {
  type CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '@sluice/envoy-protos/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { StdoutAccessLogSchema } from '@sluice/envoy-protos/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { ValueMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/value_pb.js';
import type { Slot } from '../../model/index.ts';
import { XDS_CLUSTER } from '../../xds-server/serve/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { LOGGED_HEADERS, requestLog } from '../../xds-server/translate/request-logs.ts';
import { AUDITED, ENFORCED, NETWORK_RBAC, RBAC, RBAC_DENIED, REQUEST_ID_STATE } from '../http/index.ts';
import { SERVER_NAME_STATE } from '../tls/index.ts';
import { SLOT_METADATA } from './compare-secrets.ts';
import { LOGGED } from './header-actions.ts';
import { REQUEST_ID } from './names.ts';
import type { SlotOptions } from './options.ts';

/** Tells these lines from others on Envoy's standard output. */
export const LOG_KIND = 'sluice.slot';

/** No header but these is ever written: any other may be one that is compared with a Secret. */
const FIELDS = {
  kind: LOG_KIND,
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  // A query may have secrets.
  path: '%PATH(NQ:PATH)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  client: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  destination: '%DOWNSTREAM_LOCAL_ADDRESS%',
} as const;

/** Of a connection that is closed for the server that it names, or would be without audit mode. */
const CONNECTION_FIELDS = {
  kind: LOG_KIND,
  time: '%START_TIME%',
  connectionId: '%STREAM_ID%',
  result: 'denied',
  serverName: '%REQUESTED_SERVER_NAME%',
  client: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  destination: '%DOWNSTREAM_LOCAL_ADDRESS%',
} as const;

/** Requests that rules deny, or would without audit mode, or want to be logged; and the others as well, where all are told of. */
export function slotLogs(slot: Slot, options: Pick<SlotOptions, 'logsRequests'>): Init<typeof AccessLogSchema>[] {
  return [...slotDenials(slot), ...(options.logsRequests ? [requestLog(isNotDenied(slot))] : [])];
}

/** The first part of {@link slotLogs}. */
export function slotDenials(slot: Slot): Init<typeof AccessLogSchema>[] {
  return [lines(slot), messages(slot)];
}

/** Connections that rules deny by the server that they name, or would without audit mode. These are told of when they end. */
export function serverNameDenials(slot: Slot): Init<typeof AccessLogSchema>[] {
  const filter = slot.audits ? hasResult(NETWORK_RBAC, AUDITED, 'denied') : CLOSED;
  return [
    lineLog(slot, CONNECTION_FIELDS, filter),
    messageLog(TcpGrpcAccessLogConfigSchema, 'tcp_grpc', filter, {
      commonConfig: { ...common(slot), filterStateObjectsToLog: [SERVER_NAME_STATE] },
    }),
  ];
}

/** A line of JSON for each. */
function lines(slot: Slot): Init<typeof AccessLogSchema> {
  const requestId = slot.audits ? `%FILTER_STATE(${REQUEST_ID_STATE}:PLAIN)%` : `%REQ(${REQUEST_ID})%`;
  const fields = { ...FIELDS, requestId, result: `%DYNAMIC_METADATA(${RBAC}:${resultOf(slot)})%` };
  const filters = [isDenied(slot), hasMetadata(SLOT_METADATA, LOGGED, { matchPattern: { case: 'boolMatch', value: true } })];
  return lineLog(slot, fields, { filterSpecifier: { case: 'orFilter', value: { filters } } });
}

function lineLog(
  { name, audits }: Slot,
  fields: Readonly<Record<string, string>>,
  filter: Init<typeof AccessLogFilterSchema>,
): Init<typeof AccessLogSchema> {
  const all = { ...fields, slot: name.replaceAll('%', '%%'), ...(audits && { audited: true }) };
  const value = anyOf(StdoutAccessLogSchema, {
    accessLogFormat: { case: 'logFormat', value: { format: { case: 'jsonFormat', value: all } } },
  });
  return { name: 'envoy.access_loggers.stdout', filter, configType: { case: 'typedConfig', value } };
}

/** A message for each that is denied to whoever serves this Envoy, at once: its client may be about to ask why. */
function messages(slot: Slot): Init<typeof AccessLogSchema> {
  return messageLog(HttpGrpcAccessLogConfigSchema, 'http_grpc', isDenied(slot), {
    commonConfig: { ...common(slot), ...(slot.audits && { filterStateObjectsToLog: [REQUEST_ID_STATE] }) },
    additionalRequestHeadersToLog: [...LOGGED_HEADERS],
  });
}

function messageLog<S extends DescMessage>(
  schema: S,
  name: string,
  filter: Init<typeof AccessLogFilterSchema>,
  config: MessageInitShape<S>,
): Init<typeof AccessLogSchema> {
  return { name: `envoy.access_loggers.${name}`, filter, configType: { case: 'typedConfig', value: anyOf(schema, config) } };
}

function common({ name }: Slot) {
  return {
    logName: name,
    grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: XDS_CLUSTER } } },
    transportApiVersion: ApiVersion.V3,
    // Nothing waits, unless nobody takes what went before: then it is dropped and counted.
    bufferSizeBytes: 1,
  } as const satisfies Init<typeof CommonGrpcAccessLogConfigSchema>;
}

/** By what RBAC says of a connection that it closes. */
const CLOSED = where(`connection.termination_details.startsWith('${RBAC_DENIED}')`);

/** By what it says of a request, where that is answered and nothing of its result is known yet. */
export const ANSWERED_BY_RBAC = where(`response.code_details.startsWith('${RBAC_DENIED}')`);

function where(expression: string): Init<typeof AccessLogFilterSchema> {
  const value = anyOf(ExpressionFilterSchema, { expression });
  return {
    filterSpecifier: {
      case: 'extensionFilter',
      value: { name: 'envoy.access_loggers.extension_filters.cel', configType: { case: 'typedConfig', value } },
    },
  };
}

function isDenied(slot: Slot): Init<typeof AccessLogFilterSchema> {
  return hasResult(RBAC, resultOf(slot), 'denied');
}

/** All others, also those that did not come so far as to be asked. */
export function isNotDenied(slot: Slot): Init<typeof AccessLogFilterSchema> {
  return hasResult(RBAC, resultOf(slot), 'allowed', { orNothing: true });
}

function hasResult(filter: string, key: string, exact: 'denied' | 'allowed', where?: Presence): Init<typeof AccessLogFilterSchema> {
  return hasMetadata(
    filter,
    key,
    { matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: exact } } } },
    where,
  );
}

function resultOf({ audits }: Slot): string {
  return audits ? AUDITED : ENFORCED;
}

export interface Presence {
  /** Whether what has no such key is meant, too. */
  readonly orNothing: boolean;
}

export function hasMetadata(
  filter: string,
  key: string,
  value: Init<typeof ValueMatcherSchema>,
  { orNothing }: Presence = { orNothing: false },
): Init<typeof AccessLogFilterSchema> {
  const matcher = { filter, path: [{ segment: { case: 'key', value: key } } as const], value };
  return { filterSpecifier: { case: 'metadataFilter', value: { matcher, matchIfKeyNotFound: orNothing } } };
}
