import { create, toBinary } from '@bufbuild/protobuf';
import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { ConfigSchema as DirectResponseSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import {
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { serverNameDenials, slotLogs } from './access-log.ts';
import { askedOfRequests, DENIALS } from './connection-manager.ts';
import { discoveredServerNames, keepServerName } from './network-filters.ts';
import type { SlotOptions } from './options.ts';
import { KEEP_SENT, OWN_HEADERS } from './pass-on.ts';
import { inspection } from './slot-listener.ts';

type ListenerInit = Init<typeof ListenerSchema>;

/**
 * What comes before all that listeners of Ingresses do, for a slot of what comes to these: an encoded Listener whose first filter chain has filters, and
 * an HTTP connection manager with no more than what is asked of requests; the second, where there is one, is in place of what serves no HTTP. A node puts
 * it together with those listeners that it has (`agent/slots`): which Ingresses there are is not for every node to know.
 */
export function ingressRules(slot: Slot, options: SlotOptions): Uint8Array {
  const statPrefix = `slot.${slot.direction}`;
  return toBinary(
    ListenerSchema,
    create(ListenerSchema, { statPrefix, ...(slot.rules.kind === 'http' ? ofRequests(slot, options) : ofServerNames(slot)) }),
  );
}

function ofServerNames(slot: Slot): ListenerInit {
  return {
    accessLog: serverNameDenials(slot),
    ...inspection(slot),
    filterChains: [{ filters: [keepServerName(slot), discoveredServerNames(slot)] }],
  };
}

/** Of what is passed on as it is there are no requests to be asked, so none is allowed. */
function ofRequests(slot: Slot, options: SlotOptions): ListenerInit {
  const value = anyOf(HttpConnectionManagerSchema, {
    earlyHeaderMutationExtensions: [KEEP_SENT_ON_ARRIVAL],
    httpFilters: [...askedOfRequests(slot), BEFORE_PASSING_ON],
    accessLog: slotLogs(slot, options),
    localReplyConfig: DENIALS,
  });
  const passesAll = slot.allowsAll.length > 0 || slot.audits === true;
  return {
    // Who says nothing at first may still speak plain HTTP, where another listener waits for a hello.
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value } }] },
      ...(passesAll ? [] : [{ filters: [CLOSE] }]),
    ],
  };
}

const CLOSE: Init<typeof FilterSchema> = {
  name: 'envoy.filters.network.direct_response',
  configType: { case: 'typedConfig', value: anyOf(DirectResponseSchema, {}) },
};

/** What stays the listener's own besides. */
export const KEEP_SENT_ON_ARRIVAL = {
  name: 'sluice.on_arrival',
  typedConfig: anyOf(EarlyHeaderMutationSchema, { mutations: [...KEEP_SENT] }),
};

const WITHOUT_OWN = OWN_HEADERS.map((name) => ({ action: { case: 'remove', value: name } }) as const);

/** The values of Secrets are for the rules alone, and so is what clients sent where an Ingress says its own. */
export const BEFORE_PASSING_ON: Init<typeof HttpFilterSchema> = {
  name: 'sluice.before_passing_on',
  configType: { case: 'typedConfig', value: anyOf(HeaderMutationSchema, { mutations: { requestMutations: WITHOUT_OWN } }) },
};
