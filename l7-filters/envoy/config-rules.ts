import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AccessLog,
  type AccessLogFilter,
  AccessLogFilterSchema,
  AccessLogSchema,
} from '@sluice/envoy-protos/envoy/config/accesslog/v3/accesslog_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { ConfigSchema as SetMetadataSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/set_metadata/v3/set_metadata_pb.js';
import {
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
  type LocalReplyConfig,
  LocalReplyConfigSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { translateNormalization } from '../../xds-server/translate/normalization.ts';
import { requestLog } from '../../xds-server/translate/request-logs.ts';
import { ANSWERED_BY_RBAC, hasMetadata, isNotDenied, slotDenials } from './access-log.ts';
import { SLOT_METADATA } from './compare-secrets.ts';
import { askedOfRequests, DENIALS } from './connection-manager.ts';
import { BEFORE_PASSING_ON, KEEP_SENT_ON_ARRIVAL } from './ingress-rules.ts';
import type { SlotOptions } from './options.ts';
import { seenAs } from './sent-headers.ts';

/** What says that a request has come to the rules: who wrote the config may deny some before, by filters that say so in the same words. */
const ASKED = 'asked';

/**
 * What a slot of what pods send has asked in the listeners of configs, before requests are routed: an encoded Listener, of which nothing counts but what the
 * HTTP connection manager of its filter chain has. A node puts it into the listeners that it has (`agent/slots`).
 */
export function configRules(slot: Slot, { http, logsRequests }: Pick<SlotOptions, 'http' | 'logsRequests'>): Uint8Array {
  const [keepSent, before, asked] = [KEEP_SENT_ON_ARRIVAL, MARK_ASKED, askedOfRequests(slot)];
  const value = anyOf(HttpConnectionManagerSchema, {
    earlyHeaderMutationExtensions: [keepSent],
    httpFilters: [before, ...asked, BEFORE_PASSING_ON],
    accessLog: [
      ...slotDenials(slot).map((log) => ofAsked(create(AccessLogSchema, log))),
      ...(logsRequests ? [requestLog(isToldElse(slot))] : []),
    ],
    localReplyConfig: denialsOf(),
    // What means the same in two ways is the same to rules.
    ...translateNormalization(http),
  });
  const manager = { name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value } } as const;
  return toBinary(ListenerSchema, create(ListenerSchema, { filterChains: [{ filters: [manager] }] }));
}

/**
 * Whether rules are about the request alone, and change nothing of it. Others go by what filters before them leave in headers, metadata and filters of names
 * that are not ours alone.
 */
export function asksOnce({ rules }: Slot): boolean {
  if (rules.kind !== 'http') return false;
  return rules.rules.every(({ headers }) =>
    headers.every(({ name, value, mismatch }) => mismatch === 'deny' && value?.kind !== 'secret' && seenAs(name) === name),
  );
}

const MARK_ASKED: Init<typeof HttpFilterSchema> = {
  name: 'sluice.asked',
  configType: {
    case: 'typedConfig',
    value: anyOf(SetMetadataSchema, {
      metadata: [{ metadataNamespace: SLOT_METADATA, allowOverwrite: true, value: { [ASKED]: true } }],
    }),
  },
};

const IS_TRUE = { matchPattern: { case: 'boolMatch', value: true } } as const;
const IS_FALSE = { matchPattern: { case: 'boolMatch', value: false } } as const;
const IS_ASKED = create(AccessLogFilterSchema, hasMetadata(SLOT_METADATA, ASKED, IS_TRUE));

/** What is told of where nothing is denied by the slot: also what others have denied before it was asked. */
function isToldElse(slot: Slot): Init<typeof AccessLogFilterSchema> {
  const filters = [hasMetadata(SLOT_METADATA, ASKED, IS_FALSE, { orNothing: true }), isNotDenied(slot)];
  return { filterSpecifier: { case: 'orFilter', value: { filters } } };
}

function ofAsked(log: AccessLog): AccessLog {
  // Where there are several, Envoy wants two at least.
  return { ...log, filter: log.filter ? askedAnd(log.filter) : IS_ASKED };
}

/** What others answer in the listener stays theirs. */
function denialsOf(): LocalReplyConfig {
  const denials = create(LocalReplyConfigSchema, DENIALS);
  const byRules = create(AccessLogFilterSchema, ANSWERED_BY_RBAC);
  return { ...denials, mappers: denials.mappers.map((mapper) => ({ ...mapper, filter: askedAnd(byRules, mapper.filter) })) };
}

function askedAnd(...others: readonly (AccessLogFilter | undefined)[]): AccessLogFilter {
  const filters = [IS_ASKED, ...others.filter((each) => each !== undefined)];
  return create(AccessLogFilterSchema, { filterSpecifier: { case: 'andFilter', value: { filters } } });
}
