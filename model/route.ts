import type { FieldRef } from './provenance.ts';

/** Which requests of a route table a {@link VirtualHost} takes. */
export interface VirtualHost {
  /** The route table that it belongs to: `listener-insecure`, `listener-secure`. */
  readonly table: string;
  /** `*`, an exact name, or `*.` and a name, which stands for exactly one label. Lower case. */
  readonly host: string;
  /** In order of precedence: the first match wins. A request that none matches is answered with 404. */
  readonly routes: readonly Route[];
  /**
   * For a `*.` host only: where a request with more than one label in place of `*` goes, since no wildcard of Kubernetes
   * Ingress matches it. Empty means 404.
   */
  readonly beyondOneLabel: readonly Route[];
  readonly sources: readonly FieldRef[];
}

export interface Route {
  /** Says where it comes from, for access logs and `explain`: `default/web`. */
  readonly name: string;
  readonly match: PathMatch;
  readonly action: RouteAction;
  readonly source: FieldRef;
}

/**
 * `exact`: the whole path. `prefix`: element by element, `/foo` takes `/foo` and `/foo/bar` but not `/foobar`; never ends
 * in `/` unless it is `/`. `regex`: RE2 that matches the whole path. None sees the query.
 */
export interface PathMatch {
  readonly kind: 'exact' | 'prefix' | 'regex';
  readonly value: string;
}

export type RouteAction = ForwardAction | RedirectAction | RespondAction;

export interface ForwardAction {
  readonly kind: 'forward';
  readonly cluster: string;
  /** Milliseconds for the whole answer; 0 for no limit. */
  readonly timeoutMs: number;
  readonly retry?: RetryOptions;
  /** Keeps a client on one endpoint; the cluster then balances by hash. */
  readonly affinity?: SessionAffinity;
}

/** See {@link https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on} for the conditions. */
export interface RetryOptions {
  readonly on: readonly string[];
  readonly attempts: number;
  /** Milliseconds; 0 for the timeout of the whole request. */
  readonly perTryTimeoutMs: number;
}

export type SessionAffinity = { readonly kind: 'source-ip' } | { readonly kind: 'cookie'; readonly name: string; readonly ttlMs: number };

/** Sends the client to the same URL over HTTPS. */
export interface RedirectAction {
  readonly kind: 'redirect-https';
  /** Absent: 443, which the new URL does not name, and the request came by port 80. */
  readonly port?: number;
  readonly status: 308;
}

/** Answers without a backend, as where the object that was named does not exist. */
export interface RespondAction {
  readonly kind: 'respond';
  readonly status: number;
  readonly body: string;
}
