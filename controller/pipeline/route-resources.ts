import type { Collection, Graph } from '../../collection/index.ts';
import type { Listener, VirtualHost } from '../../model/index.ts';
import type { Resource, ResourceName } from '../../xds-server/serve/resource.ts';
import { SCOPE_KEEPER } from '../../xds-server/serve/types.ts';
import { translateScopeKeeperListener } from '../../xds-server/translate/listeners.ts';
import { type RoutePart, translateRoutes, translateScope } from '../../xds-server/translate/route-shards.ts';
import { fallbackOf, isDivisible, shardOf } from '../../xds-server/translate/route-tables.ts';
import { LISTENER, ROUTES, SCOPED_ROUTES } from '../../xds-server/translate/types.ts';
import { FALLBACK_SCOPE, HOST_HEADER } from '../../xds-server/translate/unknown-host-filters.ts';
import { type EncodedVirtualHost, translateVirtualHost } from '../../xds-server/translate/virtual-hosts.ts';
import type { ModelStages } from './model.ts';

/**
 * The most hosts of a table that is one route configuration. Envoy builds a route configuration anew for any change in it,
 * about 17 µs a virtual host.
 */
const MAX_WHOLE = 256;

/**
 * The most hosts of a table that is there in both forms. Connections from before a table was divided, or put together again,
 * keep to the form that they began with until they are drained, and it must stay up to date for them. Who needs only one
 * form never asks for the other. Beyond this number the whole form costs too much to be made on each change, so a table that
 * grows past both limits at once leaves such connections with the hosts that they had.
 */
const MAX_BOTH = 512;

/** A virtual host that clients refuse, and what stands in its place while it has that version. */
export interface QuarantinedHost {
  readonly refused: string;
  readonly instead: EncodedVirtualHost;
}

/** Routes as they are served. */
export interface RouteStages {
  /** Whether a resource is not led to by a listener, and there only for connections that drain or tables that grow. */
  readonly isSpare: (name: ResourceName) => boolean;
  /** By route table: whether it is served in shards. */
  readonly dividedTables: Collection<boolean>;
  /** By {@link virtualHostKey}, as they are of themselves. */
  readonly encodedHosts: Collection<EncodedVirtualHost>;
  readonly shards: Collection<RouteShard>;
  readonly scopes: Collection<Resource>;
  /** The listener that keeps scopes loaded, where a table may be divided. */
  readonly scopeKeepers: Collection<Resource>;
}

export interface RouteShard {
  readonly part: RoutePart;
  readonly table: string;
  readonly resource: Resource;
  readonly hosts: readonly EncodedVirtualHost[];
}

interface RoutesMember {
  readonly part: RoutePart;
  readonly table: string;
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
 * @param endsKept as virtual hosts have it
 */
export function buildRouteResources(
  graph: Graph,
  { virtualHosts, listeners }: ModelStages,
  quarantine: Collection<QuarantinedHost>,
  endsKept: boolean,
): RouteStages {
  const tables = graph.group('tables in use', listeners, (listener) => tablesOf(listener).map((table): [string, true] => [table, true]));
  const forms = findForms(graph, virtualHosts);
  const dividedTables = graph.derive('divided tables', forms, ({ isDivided }) => isDivided);
  const encodedHosts = graph.derive('encoded virtual hosts', virtualHosts, ({ virtualHost }, _key, read) => {
    if (!read(tables, virtualHost.table)) return undefined;
    return encodeFor(virtualHost, read(dividedTables, virtualHost.table) === true, endsKept);
  });
  const served = graph.derive('served virtual hosts', encodedHosts, (host, key, read) => {
    const quarantined = read(quarantine, key);
    return quarantined?.refused === host.version ? quarantined.instead : host;
  });
  const placed = graph.derive('placed virtual hosts', served, (host, key, read): readonly PlacedVirtualHost[] => {
    const { isDivided = false, hasBoth = true } = read(forms, host.table) ?? {};
    const used = place(host, isDivided);
    if (!hasBoth) return [used];
    const virtualHost = isWildcard(host.host) ? read(virtualHosts, key)?.virtualHost : undefined;
    return [used, place(virtualHost ? encodeFor(virtualHost, !isDivided, endsKept) : host, !isDivided)];
  });
  // A table is there for its listener even when it has no host.
  const frames = graph.group('whole tables', tables, (_uses, table): [string, RoutesMember][] => [[table, { part: 'whole', table }]]);
  const members = graph.group('virtual hosts by routes', placed, (places) =>
    places.map(({ routes, part, host }): [string, RoutesMember] => [routes, { part, table: host.table, host }]),
  );
  const wholeTables = graph.derive('tables that are whole', frames, (frame, table, read) =>
    read(forms, table)?.hasBoth === false ? undefined : frame,
  );
  const shards = graph.derive('route shards', graph.union('all routes', members, wholeTables), (all, name) => {
    const hosts = all.flatMap(({ host }) => host ?? []);
    const { part, table } = all[0] ?? { part: 'whole', table: name };
    return { part, table, resource: translateRoutes(name, part, hosts), hosts };
  });
  const isSpare = ({ typeUrl, name }: ResourceName) => {
    if (typeUrl === LISTENER) return name === SCOPE_KEEPER;
    if (typeUrl === SCOPED_ROUTES) return !dividedTables.get(name.slice(0, name.lastIndexOf('/')));
    const shard = typeUrl === ROUTES ? shards.get(name) : undefined;
    return shard !== undefined && (shard.part === 'whole') === (dividedTables.get(shard.table) === true);
  };
  const divisible = graph.group('divisible tables', tables, (_uses, table): [string, string][] =>
    isDivisible(table) ? [[SCOPE_KEEPER, table]] : [],
  );
  const scopeKeepers = graph.derive('scope keepers', divisible, ([table]) =>
    table === undefined ? undefined : translateScopeKeeperListener(table),
  );
  return { isSpare, dividedTables, encodedHosts, shards, scopes: buildScopes(graph, placed), scopeKeepers };
}

interface TableForms {
  readonly isDivided: boolean;
  readonly hasBoth: boolean;
}

/** How each table is served that has a host. */
function findForms(graph: Graph, virtualHosts: ModelStages['virtualHosts']): Collection<TableForms> {
  const hosts = graph.group('hosts by table', virtualHosts, ({ virtualHost: { table, host } }): [string, string][] => [[table, host]]);
  return graph.derive('forms of tables', hosts, (all, table) => ({
    isDivided: isDivisible(table) && all.length > MAX_WHOLE,
    hasBoth: isDivisible(table) && all.length <= MAX_BOTH,
  }));
}

function encodeFor(virtualHost: VirtualHost, isDivided: boolean, endsKept: boolean): EncodedVirtualHost {
  return translateVirtualHost(virtualHost, { endsKept, ...(isDivided && isWildcard(virtualHost.host) && { hostHeader: HOST_HEADER }) });
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

function buildScopes(graph: Graph, placed: Collection<readonly PlacedVirtualHost[]>): Collection<Resource> {
  const members = graph.group('scopes', placed, (places) =>
    places.flatMap(({ routes, part, host: { table, host } }): [string, ScopeMember][] => {
      if (part === 'whole') return [];
      const scope = part === 'fallback' ? undefined : host;
      return [[`${table}/${scope ?? FALLBACK_SCOPE}`, { table, host: scope, routes }]];
    }),
  );
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
