import type { EndpointClients } from './endpoint-clients.ts';
import type { FieldRef } from './provenance.ts';
import type { Redacted } from './redacted.ts';

/** One port of one Service, whoever refers to it. */
export interface Cluster {
  /** `namespace:service:port`. */
  readonly name: string;
  readonly discovery: EndpointDiscovery;
  readonly protocol: 'http1' | 'http2';
  /** TLS towards the endpoints; absent for plain text. */
  readonly tls?: UpstreamTls;
  readonly balancing: 'round-robin' | 'hash';
  readonly options: UpstreamOptions;
  readonly sources: readonly FieldRef[];
}

export type EndpointDiscovery =
  /** The {@link EndpointSet} of this name. */
  | { readonly kind: 'eds'; readonly serviceName: string }
  /** Every address that the name resolves to (Services of type ExternalName). */
  | { readonly kind: 'dns'; readonly hostname: string; readonly port: number };

export interface UpstreamTls {
  /** `none` encrypts without knowing to whom; `system` checks against the system's certificate authorities. */
  readonly verification: 'none' | 'system';
  /** With `system`: the file that has them, where Envoy runs. */
  readonly certificateAuthorities?: string;
  /** The name sent as SNI; absent to send the request's host. */
  readonly serverName?: string;
}

/** Times are in milliseconds; 0 switches a limit off. */
export interface UpstreamOptions {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly outlierDetection?: OutlierDetection;
}

/** Local-origin errors (connect failures, resets) are counted apart from answers of the endpoint. */
export interface OutlierDetection {
  readonly consecutiveErrors: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionPercent: number;
}

/** Where a cluster's requests go. Changes without its cluster. */
export interface EndpointSet {
  /** `namespace/service:port`, and the protocol that they speak where it is not plain HTTP/1.1. */
  readonly name: string;
  /** Sorted by address, then port; no duplicates. */
  readonly endpoints: readonly Endpoint[];
  readonly sources: readonly FieldRef[];
}

export interface Endpoint {
  readonly address: string;
  /** The same server's address of the other family, where both are asked for and it has one. */
  readonly otherAddress?: string;
  readonly port: number;
  /** Absent: everybody's, as of all other endpoints of the set. */
  readonly clients?: EndpointClients;
}

/** A certificate chain and its key, checked to fit. */
export interface Certificate {
  /** `namespace/name` of its Secret. */
  readonly name: string;
  /** PEM, leaf first. */
  readonly chain: string;
  readonly privateKey: Redacted;
  readonly sources: readonly FieldRef[];
}
