import type { Ingress } from '../kube/index.ts';
import { compareText, type Diagnostic, type FieldRef, type Route } from '../model/index.ts';

/** Where this process listens. */
export interface ListenPorts {
  readonly address: string;
  readonly http: number;
  readonly https: number;
  /** Ports of this process that no Ingress may have, such as that of its own administration. */
  readonly reserved: readonly number[];
}

/** Who is first where several Ingresses want the same: the oldest, then by namespace and name. */
export interface Rank {
  /** Milliseconds; null for an object without a time of creation, as in a file, which counts as the youngest. */
  readonly createdAt: number | null;
  readonly namespace: string;
  readonly name: string;
}

/**
 * A route that an Ingress wants in a table.
 *
 * `rule`: from a rule with this host. `hostless`: from a rule without host, which applies to every host. `default`: from a
 * default backend, which takes what no rule takes. The last two stand at host `*`. A default backend stands at each TLS
 * host of its Ingress as well, where it comes before those of others. And where a claim at `*` or a wildcard has to answer
 * one TLS host otherwise than the rest, it stands there once more, as `hostless` or `wildcard`, in its place in the order.
 */
export interface RouteClaim {
  readonly table: string;
  /** `*`, an exact name or `*.` and a name. */
  readonly host: string;
  readonly kind: RouteKind;
  readonly route: Route;
  readonly rank: Rank;
  /** Order inside the Ingress. */
  readonly position: number;
}

export type RouteKind = 'rule' | 'wildcard' | 'hostless' | 'default';

/** What an Ingress wants to happen to TLS connections with a server name. */
export type TlsClaim = TerminateClaim | PassthroughClaim;

interface AnyTlsClaim {
  /** Name of the {@link ListenerClaim}. */
  readonly listener: string;
  /** Exact, `*.` and a name, or empty for connections that no other claim takes. */
  readonly serverName: string;
  readonly rank: Rank;
  readonly position: number;
  readonly source: FieldRef;
}

export interface TerminateClaim extends AnyTlsClaim {
  readonly kind: 'terminate';
  /** `namespace/name` of a Secret whose certificate is usable. */
  readonly certificate: string;
  readonly routeTable: string;
  /** The server name is that of a rule and stands in no TLS entry; any Ingress that does name it comes first. */
  readonly implied: boolean;
  /** With an empty server name: for clients that tell none, and not for those that tell one that nobody has. */
  readonly unnamedOnly?: true;
}

export interface PassthroughClaim extends AnyTlsClaim {
  readonly kind: 'passthrough';
  /** Undefined where the backend cannot be used. */
  readonly cluster: string | undefined;
}

/** A socket that has to be open. Several Ingresses may claim the same one. */
export interface ListenerClaim {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly plaintextTable?: string;
  readonly secureTable?: string;
  readonly sources: readonly FieldRef[];
}

/** Identifies a {@link Cluster}: one numbered port of one Service. */
export interface ClusterKey {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

/** All that one Ingress wants. */
export interface IngressClaims {
  readonly routes: readonly RouteClaim[];
  readonly tls: readonly TlsClaim[];
  readonly listeners: readonly ListenerClaim[];
  /** Sorted by name; no duplicates. */
  readonly clusters: readonly ClusterKey[];
  readonly diagnostics: readonly Diagnostic[];
}

export function clusterName(key: ClusterKey): string {
  return `${key.namespace}:${key.service}:${key.port}`;
}

export function rankOf(ingress: Ingress): Rank {
  const { creationTimestamp, namespace, name } = ingress.metadata;
  return { createdAt: creationTimestamp === undefined ? null : Date.parse(creationTimestamp), namespace, name };
}

interface Ranked {
  readonly rank: Rank;
  readonly position: number;
}

/** Oldest first; a total order over the claims of different positions. */
export function compareByAge(a: Ranked, b: Ranked): number {
  return (
    compareNumbers(a.rank.createdAt ?? Number.POSITIVE_INFINITY, b.rank.createdAt ?? Number.POSITIVE_INFINITY) ||
    compareText(a.rank.namespace, b.rank.namespace) ||
    compareText(a.rank.name, b.rank.name) ||
    a.position - b.position
  );
}

export function isSameIngress(a: Ranked, b: Ranked): boolean {
  return a.rank.namespace === b.rank.namespace && a.rank.name === b.rank.name;
}

function compareNumbers(a: number, b: number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
