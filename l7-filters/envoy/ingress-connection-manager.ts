import { create } from '@bufbuild/protobuf';
import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { slotLogs } from './access-log.ts';
import { askedOfRequests, DENIALS } from './connection-manager.ts';
import { KEEP_SENT, OWN_HEADERS } from './pass-on.ts';

/** What serves Ingresses, with the rules of a slot asked before. */
export function askRequests(slot: Slot, manager: HttpConnectionManager): HttpConnectionManager {
  const { earlyHeaderMutationExtensions, httpFilters, accessLog, localReplyConfig } = create(HttpConnectionManagerSchema, {
    earlyHeaderMutationExtensions: [ON_ARRIVAL],
    httpFilters: [...askedOfRequests(slot), BEFORE_PASSING_ON],
    accessLog: slotLogs(slot),
    localReplyConfig: DENIALS,
  });
  return {
    ...manager,
    earlyHeaderMutationExtensions: [...earlyHeaderMutationExtensions, ...manager.earlyHeaderMutationExtensions],
    httpFilters: [...httpFilters, ...manager.httpFilters],
    accessLog: [...manager.accessLog, ...accessLog],
    ...(localReplyConfig && { localReplyConfig }),
  };
}

const ON_ARRIVAL = {
  name: 'sluice.on_arrival',
  typedConfig: anyOf(EarlyHeaderMutationSchema, { mutations: [...KEEP_SENT] }),
};

const WITHOUT_OWN = OWN_HEADERS.map((name) => ({ action: { case: 'remove', value: name } }) as const);

/** The values of Secrets are for the rules alone, and so is what clients sent where an Ingress says its own. */
const BEFORE_PASSING_ON: Init<typeof HttpFilterSchema> = {
  name: 'sluice.before_passing_on',
  configType: { case: 'typedConfig', value: anyOf(HeaderMutationSchema, { mutations: { requestMutations: WITHOUT_OWN } }) },
};
