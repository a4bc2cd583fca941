import type { Collection, Graph } from '../../collection/index.ts';
import type { Listener } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { type RoutePart, translateRoutes, translateScope } from '../../xds-server/translate/route-shards.ts';
import { fallbackOf, isDivisible, shardOf } from '../../xds-server/translate/route-tables.ts';
import { FALLBACK_SCOPE, HOST_HEADER } from '../../xds-server/translate/unknown-host-filters.ts';
import { type EncodedVirtualHost, translateVirtualHost } from '../../xds-server/translate/virtual-hosts.ts';
import type { ModelStages } from './model.ts';

/**
 * The most hosts of a table that is one route configuration. Envoy builds a route configuration anew for any change in it,
 * about 17 µs a virtual host.
 */
const MAX_WHOLE = 256;

/** A virtual host that clients refuse, and what stands in its place while it has that version. */
export interface QuarantinedHost {
  readonly refused: string;
  readonly instead: EncodedVirtualHost;
}

/** Routes as they are served. */
export interface RouteStages {
  /** By route table: whether it is served in shards. */
  readonly dividedTables: Collection<boolean>;
  /** By {@link virtualHostKey}, as they are of themselves. */
  readonly encodedHosts: Collection<EncodedVirtualHost>;
  readonly shards: Collection<RouteShard>;
  readonly scopes: Collection<Resource>;
}

export interface RouteShard {
  readonly resource: Resource;
  readonly hosts: readonly EncodedVirtualHost[];
}

interface RoutesMember {
  readonly part: RoutePart;
  readonly host?: EncodedVirtualHost;
}

interface ScopeMember {
  readonly table: string;
  readonly host: string | undefined;
  readonly routes: string;
}

/**
 * Route configurations, and the scopes that choose among those of large tables. A virtual host is encoded once; what a
 * change of it costs is putting the bytes of its shard together.
 */
export function buildRouteResources(
  graph: Graph,
  { virtualHosts, listeners }: ModelStages,
  quarantine: Collection<QuarantinedHost>,
): RouteStages {
  const tables = graph.group('tables in use', listeners, (listener) => tablesOf(listener).map((table): [string, true] => [table, true]));
  const dividedTables = findDividedTables(graph, virtualHosts);
  const encodedHosts = graph.derive('encoded virtual hosts', virtualHosts, ({ virtualHost }, _key, read) => {
    if (!read(tables, virtualHost.table)) return undefined;
    const isFallback = isWildcard(virtualHost.host) && read(dividedTables, virtualHost.table) === true;
    return translateVirtualHost(virtualHost, isFallback ? HOST_HEADER : undefined);
  });
  const served = graph.derive('served virtual hosts', encodedHosts, (host, key, read) => {
    const quarantined = read(quarantine, key);
    return quarantined?.refused === host.version ? quarantined.instead : host;
  });
  const placed = graph.derive('placed virtual hosts', served, (host, _key, read) => place(host, read(dividedTables, host.table) === true));
  // A table is there for its listener even when it has no host.
  const frames = graph.group('whole tables', tables, (_uses, table): [string, RoutesMember][] => [[table, { part: 'whole' }]]);
  const members = graph.group('virtual hosts by routes', placed, ({ routes, part, host }): [string, RoutesMember][] => [
    [routes, { part, host }],
  ]);
  const undivided = graph.derive('undivided tables', frames, (frame, table, read) => (read(dividedTables, table) ? undefined : frame));
  const shards = graph.derive('route shards', graph.union('all routes', members, undivided), (all, name) => {
    const hosts = all.flatMap(({ host }) => host ?? []);
    return { resource: translateRoutes(name, all[0]?.part ?? 'whole', hosts), hosts };
  });
  return { dividedTables, encodedHosts, shards, scopes: buildScopes(graph, placed) };
}

/** Whether a table has too many hosts to be one route configuration. */
function findDividedTables(graph: Graph, virtualHosts: ModelStages['virtualHosts']): Collection<boolean> {
  const hosts = graph.group('hosts by table', virtualHosts, ({ virtualHost: { table, host } }): [string, string][] => [[table, host]]);
  return graph.derive('divided tables', hosts, (all, table) => isDivisible(table) && all.length > MAX_WHOLE);
}

interface PlacedVirtualHost {
  readonly routes: string;
  readonly part: RoutePart;
  readonly host: EncodedVirtualHost;
}

function place(host: EncodedVirtualHost, isDivided: boolean): PlacedVirtualHost {
  if (!isDivided) return { routes: host.table, part: 'whole', host };
  if (isWildcard(host.host)) return { routes: fallbackOf(host.table), part: 'fallback', host };
  return { routes: shardOf(host.table, host.host), part: 'shard', host };
}

function buildScopes(graph: Graph, placed: Collection<PlacedVirtualHost>): Collection<Resource> {
  const members = graph.group('scopes', placed, ({ routes, part, host: { table, host } }): [string, ScopeMember][] => {
    if (part === 'whole') return [];
    const scope = part === 'fallback' ? undefined : host;
    return [[`${table}/${scope ?? FALLBACK_SCOPE}`, { table, host: scope, routes }]];
  });
  return graph.derive('scope resources', members, ([scope]) => scope && translateScope(scope.table, scope.host, scope.routes));
}

/** The route tables that a listener leads to. */
function tablesOf({ plaintextTable, tlsChains }: Listener): readonly string[] {
  const secure = tlsChains.flatMap((chain) => (chain.kind === 'terminate' ? [chain.routeTable] : []));
  return plaintextTable === undefined ? secure : [plaintextTable, ...secure];
}

function isWildcard(host: string): boolean {
  return host.startsWith('*');
}
