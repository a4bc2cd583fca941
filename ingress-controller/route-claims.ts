import type { ObjectRef, RedirectAction, RouteAction } from '../model/index.ts';
import type { Rank, RouteClaim, RouteKind } from './claims.ts';
import { covers } from './host.ts';
import type { Redirects } from './redirects.ts';
import type { WantedRoute } from './rules.ts';
import type { Entrance } from './tables.ts';
import type { TlsHost } from './tls.ts';

export interface RouteClaimContext {
  readonly object: ObjectRef;
  readonly rank: Rank;
  readonly entrance: Entrance;
  readonly tlsHosts: readonly TlsHost[];
  readonly redirects: Redirects;
}

/** Claims each route in the tables that requests for it come by. */
export function claimRoutes(wanted: readonly WantedRoute[], context: RouteClaimContext): readonly RouteClaim[] {
  return wanted.flatMap((route, position) => claimRoute(route, position, context));
}

function claimRoute(route: WantedRoute, position: number, context: RouteClaimContext): readonly RouteClaim[] {
  const { object, rank, entrance, tlsHosts, redirects } = context;
  const { plaintextTable, secureTable } = entrance;
  const port = entrance.redirectPort;
  const redirect: RedirectAction = { kind: 'redirect-https', ...(port !== undefined && { port }), status: 308 };
  const source = { object, path: route.path };
  const name = `${rank.namespace}/${rank.name}`;
  const claim = (table: string, host: string, kind: RouteKind, action: RouteAction): RouteClaim => {
    return { table, host, kind, route: { name, match: route.match, action, source }, rank, position };
  };
  const plaintext = (host: string, kind: RouteKind) => claim(plaintextTable, host, kind, redirects.has(host) ? redirect : route.action);
  const claims = [plaintext(route.host, route.kind), claim(secureTable, route.host, route.kind, route.action)];
  for (const host of narrowerHosts(route.host, tlsHosts)) {
    if (route.kind === 'default') claims.push(plaintext(host, 'default'), claim(secureTable, host, 'default', route.action));
    else if (redirects.has(host) !== redirects.has(route.host))
      claims.push(plaintext(host, route.kind === 'rule' ? 'wildcard' : route.kind));
  }
  return claims;
}

/** The TLS hosts that a rule for more than them answers too. */
function narrowerHosts(host: string, tlsHosts: readonly TlsHost[]): ReadonlySet<string> {
  if (!host.startsWith('*')) return new Set();
  const names = tlsHosts.map(({ name }) => name);
  return new Set(names.filter((name) => name !== '' && name !== host && (host === '*' || covers(host, name))));
}
