import { create, toBinary } from '@bufbuild/protobuf';
import {
  type HeaderMatcherSchema,
  type RetryPolicy,
  RetryPolicySchema,
  type RouteSchema,
  VirtualHostSchema,
} from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import type { VirtualHost } from '../../model/index.ts';
import { contentVersion } from '../serve/resource.ts';
import { durationOf, type Init } from './messages.ts';
import { translateRoute } from './routes.ts';

/** A virtual host as it stands in its route configuration, encoded once for all who need it. */
export interface EncodedVirtualHost {
  readonly table: string;
  readonly host: string;
  readonly body: Uint8Array;
  readonly version: string;
  /** The clusters that its routes name, sorted. */
  readonly clusters: readonly string[];
}

export interface VirtualHostOptions {
  /** The header that holds the host while a route is chosen. Default: `:authority`. */
  readonly hostHeader?: string;
  /** Whether nodes enforce policies, by which connections end that Envoy keeps. Default: false. */
  readonly endsKept?: boolean;
}

/** Of requests that change nothing, so it need not be known whether somebody has seen them. https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
const SAFE_METHODS = 'GET|HEAD|OPTIONS';

/**
 * Who answers ends what Envoy keeps as soon as policy does, so a request fails that is sent in between, and one that is sent behind an answer
 * before that is acknowledged, 40 ms later at most. Both may happen to the next try, and hardly when it has waited. For routes that have none of their own.
 * Connections that cannot be opened are tried again as well.
 */
const REPEATED: Init<typeof RetryPolicySchema> = {
  retryOn: 'reset',
  numRetries: 3,
  retryBackOff: { baseInterval: durationOf(50) },
  retriableRequestHeaders: [
    {
      name: ':method',
      headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'safeRegex', value: { regex: SAFE_METHODS } } } },
    },
  ],
};

/** How virtual hosts send requests again where policies are enforced. */
export function sentAgain(): RetryPolicy {
  return create(RetryPolicySchema, REPEATED);
}

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto */
export function translateVirtualHost(virtualHost: VirtualHost, options: VirtualHostOptions = {}): EncodedVirtualHost {
  const { hostHeader = ':authority', endsKept = false } = options;
  const { table, host, routes } = virtualHost;
  const message = create(VirtualHostSchema, {
    name: host,
    domains: [host],
    routes: [...beyondOneLabel(virtualHost, hostHeader), ...routes.map((route) => translateRoute(route))],
    ...(endsKept && { retryPolicy: REPEATED }),
  });
  const body = toBinary(VirtualHostSchema, message);
  return { table, host, body, version: contentVersion(body), clusters: clustersOf(virtualHost) };
}

/** Answers every request with 500: what stands where a virtual host cannot, so that nothing else takes its requests. */
export function refusingVirtualHost({ table, host }: Pick<EncodedVirtualHost, 'table' | 'host'>): EncodedVirtualHost {
  const message = create(VirtualHostSchema, {
    name: host,
    domains: [host],
    routes: [
      {
        name: 'refused by Envoy',
        match: { pathSpecifier: { case: 'prefix', value: '/' } },
        action: { case: 'directResponse', value: { status: 500 } },
      },
    ],
  });
  const body = toBinary(VirtualHostSchema, message);
  return { table, host, body, version: contentVersion(body), clusters: [] };
}

/**
 * Envoy's wildcard takes any number of labels, that of Ingress exactly one. Requests with more are caught first and go
 * where they would go if the wildcard did not exist.
 */
function beyondOneLabel({ host, beyondOneLabel: fallback }: VirtualHost, hostHeader: string): Init<typeof RouteSchema>[] {
  if (!host.startsWith('*.')) return [];
  const guard = [severalLabelsBefore(hostHeader, host.slice(1))];
  return [
    ...fallback.map((route) => translateRoute(route, guard)),
    {
      name: 'beyond one label',
      match: { pathSpecifier: { case: 'prefix', value: '/' }, headers: guard },
      action: { case: 'directResponse', value: { status: 404 } },
    },
  ];
}

function severalLabelsBefore(header: string, suffix: string): Init<typeof HeaderMatcherSchema> {
  const regex = `(?i)[^.:]+\\.[^:]+${suffix.replaceAll('.', '\\.')}(:[0-9]+)?`;
  return {
    name: header,
    headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'safeRegex', value: { regex } } } },
  };
}

function clustersOf({ routes, beyondOneLabel: fallback }: VirtualHost): readonly string[] {
  const names = [...routes, ...fallback].flatMap(({ action }) => (action.kind === 'forward' ? [action.cluster] : []));
  return [...new Set(names)].sort();
}
