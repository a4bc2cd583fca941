import type { HeaderMutationSchema } from '@sluice/envoy-protos/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction, type HeaderValueOptionSchema } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '@sluice/envoy-protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
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

/** Everything to where it was sent, with the headers that it came with but for those that rules change. */
export function routes(direction: Direction): Init<typeof RouteConfigurationSchema> {
  return {
    name: `slot.${direction}`,
    // After those of the route.
    requestHeadersToRemove: [SECRETS_HEADER, KEPT_PROTO],
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            requestHeadersToRemove: [PROTO],
            requestHeadersToAdd: [copy(KEPT_PROTO, PROTO)],
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: originalDestinationCluster(direction) },
                timeout: durationOf(0),
                // Nothing of these has been seen by whoever would answer: he closed a connection while it was idle, or a policy did.
                retryPolicy: { retryOn: 'reset-before-request,connect-failure', numRetries: 1 },
              },
            },
          },
        ],
      },
    ],
  };
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
