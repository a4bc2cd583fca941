import { quote } from '../kube/index.ts';
import { compareText, type Diagnostic, type PathMatch, type Route, type VirtualHost } from '../model/index.ts';
import { compareByAge, isSameIngress, type RouteClaim } from './claims.ts';
import { diagnose } from './report.ts';
import { isSecureTable } from './tables.ts';

/** The claims on one table that matter to a host. Each list in any order. */
export interface VirtualHostClaims {
  /** Those at the host itself. */
  readonly own: readonly RouteClaim[];
  /** Those at the wildcard that takes the host. */
  readonly wildcard: readonly RouteClaim[];
  /** Those at host `*`, if that is another host. */
  readonly any: readonly RouteClaim[];
}

export interface VirtualHostMerge {
  readonly virtualHost: VirtualHost;
  /** Conflicts at this host, told to the younger Ingress. Only of tables without TLS: in the others they are the same. */
  readonly diagnostics: readonly Diagnostic[];
}

interface VirtualHostKey {
  readonly table: string;
  readonly host: string;
}

/**
 * Puts the claims on a host in order: rules with the host, rules with its wildcard, rules without host, default backends.
 * Inside each, exact paths come first, then regular expressions, then prefixes, the longer before the shorter, the older
 * Ingress before the younger. A match that is claimed twice at one level belongs to the oldest Ingress. Of the default
 * backends, those of Ingresses that name the host, in a rule or for TLS, come first.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/ingress/#multiple-matches
 */
export function mergeVirtualHost(key: VirtualHostKey, claims: VirtualHostClaims): VirtualHostMerge {
  const sorted = sortClaims(key.host, [...claims.own, ...claims.wildcard, ...claims.any]);
  const routes = firstMatches(sorted);
  const beyondOneLabel = key.host.startsWith('*.') ? firstMatches(sortClaims('*', claims.any)) : [];
  return {
    virtualHost: { table: key.table, host: key.host, routes, beyondOneLabel, sources: sourcesOf([...routes, ...beyondOneLabel]) },
    diagnostics: isSecureTable(key.table) ? [] : findConflicts(key.host, sorted),
  };
}

interface Placed {
  readonly claim: RouteClaim;
  readonly level: number;
  /** Of one route claimed here and for more hosts, the one that stands here comes first. */
  readonly distance: number;
}

function sortClaims(host: string, claims: readonly RouteClaim[]): readonly RouteClaim[] {
  const naming = claims.filter(({ kind }) => kind === 'rule');
  const placed = claims.map((claim): Placed => {
    const distance = distanceTo(host, claim.host);
    return { claim, level: levelOf(claim, host, naming), distance };
  });
  return placed.toSorted(comparePlaced).map(({ claim }) => claim);
}

function distanceTo(host: string, other: string): number {
  if (other === host) return 0;
  return other === '*' ? 2 : 1;
}

/** @param naming the rules with this host or its wildcard */
function levelOf(claim: RouteClaim, host: string, naming: readonly RouteClaim[]): number {
  switch (claim.kind) {
    case 'rule':
      return claim.host === host ? 0 : 1;
    case 'wildcard':
      return 1;
    case 'hostless':
      return 2;
    case 'default': {
      const distances = naming.filter((rule) => isSameIngress(rule, claim)).map((rule) => distanceTo(host, rule.host));
      return 3 + Math.min(distanceTo(host, claim.host), ...distances);
    }
  }
}

const KIND_ORDER = { exact: 0, regex: 1, prefix: 2 } as const;

function comparePlaced(a: Placed, b: Placed): number {
  const left = a.claim.route.match;
  const right = b.claim.route.match;
  return (
    a.level - b.level ||
    KIND_ORDER[left.kind] - KIND_ORDER[right.kind] ||
    right.value.length - left.value.length ||
    compareText(left.value, right.value) ||
    compareByAge(a.claim, b.claim) ||
    a.distance - b.distance
  );
}

/** Leaves out what can never be reached: a match that came before, and all that follows a match for everything. */
function firstMatches(claims: readonly RouteClaim[]): readonly Route[] {
  const seen = new Set<string>();
  const routes: Route[] = [];
  for (const { route } of claims) {
    const key = matchKey(route.match);
    if (seen.has(key)) continue;
    seen.add(key);
    routes.push(route);
    if (key === 'prefix /') break;
  }
  return routes;
}

function matchKey({ kind, value }: PathMatch): string {
  return `${kind} ${value}`;
}

/** Only between claims that are the host's own: what stands here for the sake of TLS has been told of elsewhere. */
function findConflicts(host: string, sorted: readonly RouteClaim[]): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const winners = new Map<string, RouteClaim>();
  for (const claim of sorted) {
    if (claim.host !== host || (claim.kind !== 'rule' && host !== '*')) continue;
    const key = `${claim.kind} ${matchKey(claim.route.match)}`;
    const winner = winners.get(key);
    if (winner === undefined) winners.set(key, claim);
    else diagnostics.push(conflict(host, claim, winner));
  }
  return diagnostics;
}

function conflict(host: string, claim: RouteClaim, winner: RouteClaim): Diagnostic {
  const { match, source } = claim.route;
  const older = isSameIngress(claim, winner) ? 'an earlier path of this Ingress' : `Ingress ${quote(winner.route.name)}`;
  if (claim.kind === 'default') {
    const message = `${older} has the default backend for hosts that this Ingress does not name`;
    return diagnose(source.object, source.path, 'DefaultBackendConflict', message);
  }
  const where = host === '*' ? 'without a host' : `at host ${quote(host)}`;
  return diagnose(source.object, source.path, 'Conflict', `${older} already has the ${match.kind} path ${quote(match.value)} ${where}`);
}

/** Each object once. */
function sourcesOf(routes: readonly Route[]): VirtualHost['sources'] {
  const objects = new Map(routes.map(({ name, source }) => [name, source.object]));
  return Array.from(objects)
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([, object]) => ({ object, path: [] }));
}
