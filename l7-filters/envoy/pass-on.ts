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

/** Envoy sets it where it is missing. */
const PROTO = 'x-forwarded-proto';
/** What the client sent of it. */
const KEPT_PROTO = 'x-sluice-forwarded-proto';

/** Before anything else looks at a request. What a client sends by names of ours is not to be taken for ours. */
export const ON_ARRIVAL: Filter = {
  name: 'sluice.on_arrival',
  typedConfig: anyOf(EarlyHeaderMutationSchema, {
    mutations: [remove(SECRETS_HEADER), remove(KEPT_PROTO), { action: { case: 'append', value: copy(PROTO, KEPT_PROTO) } }],
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
    requestHeadersToRemove: [SECRETS_HEADER, KEPT_PROTO],
    virtualHosts: [{ name: 'all', domains: ['*'], routes: [route(direction, [isSafe], `${UNSEEN},reset`), route(direction, [], UNSEEN)] }],
  };
}

function route(direction: Direction, headers: Init<typeof HeaderMatcherSchema>[], retryOn: string): Init<typeof RouteSchema> {
  return {
    match: { pathSpecifier: { case: 'prefix', value: '/' }, headers },
    requestHeadersToRemove: [PROTO],
    requestHeadersToAdd: [copy(KEPT_PROTO, PROTO)],
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
