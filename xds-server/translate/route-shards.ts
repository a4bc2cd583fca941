import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { ScopedRouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/scoped_route_pb.js';
import type { Resource, ResourceName } from '../serve/resource.ts';
import { encodeResource, resourceOf } from './encode.ts';
import type { Init } from './messages.ts';
import { scopeKeyOf } from './route-tables.ts';
import { CLUSTER, ROUTES } from './types.ts';
import { FALLBACK_SCOPE, HOST_HEADER, switchedOff } from './unknown-host-filters.ts';
import type { EncodedVirtualHost } from './virtual-hosts.ts';

const VIRTUAL_HOSTS = RouteConfigurationSchema.field.virtualHosts.number;

/** `whole`: all hosts of a table. `shard`: some of those without a wildcard. `fallback`: those with one. */
export type RoutePart = 'whole' | 'shard' | 'fallback';

/**
 * Puts virtual hosts together to a route configuration. They are not encoded again: a repeated field of messages is its
 * items one after another.
 * @param hosts in any order
 */
export function translateRoutes(name: string, part: RoutePart, hosts: readonly EncodedVirtualHost[]): Resource {
  const writer = new BinaryWriter().raw(toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, frameOf(name, part))));
  for (const host of hosts.toSorted((a, b) => (a.host < b.host ? -1 : 1))) {
    writer.tag(VIRTUAL_HOSTS, WireType.LengthDelimited).bytes(host.body);
  }
  return resourceOf(RouteConfigurationSchema, name, writer.finish(), requirementsOf(hosts));
}

function frameOf(name: string, part: RoutePart): Init<typeof RouteConfigurationSchema> {
  return {
    name,
    // `host:8080` is the same host as `host`, also below a wildcard, which no list of domains can say.
    ignorePortInHostMatching: true,
    // Clusters come before the routes to them, in the same stream; to check again would cost a look-up a route.
    validateClusters: false,
    ...(part === 'shard' && { typedPerFilterConfig: switchedOff() }),
    ...(part === 'fallback' && { vhostHeader: HOST_HEADER }),
  };
}

function requirementsOf(hosts: readonly EncodedVirtualHost[]): readonly ResourceName[] {
  const names = new Set(hosts.flatMap(({ clusters }) => clusters));
  return Array.from(names, (name) => ({ typeUrl: CLUSTER, name }));
}

/** Says that requests to a host of a table are routed by a shard of it; without a host, those to all that have no scope. */
export function translateScope(table: string, host: string | undefined, routes: string): Resource {
  const key = host ?? FALLBACK_SCOPE;
  const name = `${table}/${key}`;
  const fragments = scopeKeyOf(table, key).map((value) => ({ type: { case: 'stringKey' as const, value } }));
  const message = create(ScopedRouteConfigurationSchema, { name, routeConfigurationName: routes, key: { fragments } });
  return encodeResource(ScopedRouteConfigurationSchema, name, message, [{ typeUrl: ROUTES, name: routes }]);
}
