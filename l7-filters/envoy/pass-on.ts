import type { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction, type HeaderValueOptionSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { HeaderMatcherSchema, RouteSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import type { StringMatcherSchema } from '@sluice/envoy-protos/envoy/type/matcher/v3/string_pb.js';
import type { Direction } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { durationOf, type Init } from '../../xds-server/translate/messages.ts';
import { SECRETS_HEADER } from './compare-secrets.ts';
import type { Filter } from './filter.ts';
import { originalDestinationCluster } from './names.ts';
import { FORWARDED_PROTO, SENT_HEADERS } from './sent-headers.ts';

const SENT = [...SENT_HEADERS];

/** For nobody but the filters of a slot. */
export const OWN_HEADERS: readonly string[] = [SECRETS_HEADER, ...SENT.map(([, kept]) => kept)];

/** Where rules look for what the client sent. What a client sends by names of ours is not to be taken for ours. */
export const KEEP_SENT: readonly Init<typeof HeaderMutationSchema>[] = [
  remove(SECRETS_HEADER),
  ...SENT.flatMap(([name, kept]) => [remove(kept), { action: { case: 'append', value: copy(name, kept) } } as const]),
];

/** Before anything else looks at a request. */
export const ON_ARRIVAL: Filter = {
  name: 'sluice.on_arrival',
  typedConfig: anyOf(EarlyHeaderMutationSchema, {
    // Envoy sets its own: one that is empty would leave a request without a route.
    mutations: [...KEEP_SENT, remove(FORWARDED_PROTO)],
  }),
};

/** Retried is what nobody has seen: a connection is closed while it is idle, by whoever would answer or by a policy that begins. */
const UNSEEN = 'reset-before-request,connect-failure';
/** What changes nothing may be asked twice, so it need not be known whether it was seen. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
const SAFE_METHODS = 'GET|HEAD|OPTIONS';

/** Everything to where it was sent, with the headers that it came with but for those that rules change. */
export function routes(direction: Direction): Init<typeof RouteConfigurationSchema> {
  const isSafe = { name: ':method', headerMatchSpecifier: { case: 'stringMatch', value: fullMatch(SAFE_METHODS) } } as const;
  return {
    name: `slot.${direction}`,
    // After those of the route.
    requestHeadersToRemove: [...OWN_HEADERS],
    virtualHosts: [{ name: 'all', domains: ['*'], routes: [route(direction, [isSafe], `${UNSEEN},reset`), route(direction, [], UNSEEN)] }],
  };
}

function route(direction: Direction, headers: Init<typeof HeaderMatcherSchema>[], retryOn: string): Init<typeof RouteSchema> {
  return {
    match: { pathSpecifier: { case: 'prefix', value: '/' }, headers },
    requestHeadersToRemove: SENT.map(([name]) => name),
    requestHeadersToAdd: SENT.map(([name, kept]) => copy(kept, name)),
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: originalDestinationCluster(direction, 'http') },
        timeout: durationOf(0),
        retryPolicy: { retryOn, numRetries: 1 },
      },
    },
  };
}

function fullMatch(regex: string): Init<typeof StringMatcherSchema> {
  return { matchPattern: { case: 'safeRegex', value: { regex } } };
}

function remove(name: string): Init<typeof HeaderMutationSchema> {
  return { action: { case: 'remove', value: name } };
}

/** Nothing where there is none to copy. */
function copy(from: string, to: string): Init<typeof HeaderValueOptionSchema> {
  return {
    header: { key: to, value: `%REQ(${from})%` },
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    keepEmptyValue: false,
  };
}
