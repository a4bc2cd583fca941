import { create, toBinary } from '@bufbuild/protobuf';
import {
  type HeaderMatcherSchema,
  type RouteSchema,
  VirtualHostSchema,
} from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import type { VirtualHost } from '../../model/index.ts';
import { contentVersion } from '../serve/resource.ts';
import type { Init } from './messages.ts';
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

/**
 * @param hostHeader the header that holds the host while a route is chosen
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
 */
export function translateVirtualHost(virtualHost: VirtualHost, hostHeader = ':authority'): EncodedVirtualHost {
  const { table, host, routes } = virtualHost;
  const message = create(VirtualHostSchema, {
    name: host,
    domains: [host],
    routes: [...beyondOneLabel(virtualHost, hostHeader), ...routes.map((route) => translateRoute(route))],
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
