import type { FieldRef } from './provenance.ts';

/** A socket that traffic enters by, and how a connection on it is told apart. */
export interface Listener {
  /** Unique and stable: `http`, `https`, `host-port-9000`. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** The route table for connections without TLS; absent where plain text is not served. */
  readonly plaintextTable?: string;
  /** Sorted by name. No two name the same server name. */
  readonly tlsChains: readonly TlsChain[];
  readonly http: HttpOptions;
  readonly sources: readonly FieldRef[];
}

export type TlsChain = TerminateChain | PassthroughChain;

/** TLS ends here, with this certificate. */
export interface TerminateChain {
  readonly kind: 'terminate';
  readonly name: string;
  /** Sorted server names (SNI), exact or `*.` wildcards; empty means every connection that no other chain takes. */
  readonly serverNames: readonly string[];
  /** The {@link Certificate} by name. */
  readonly certificate: string;
  readonly routeTable: string;
  /** Of a chain without server names: only clients that tell none are served, others are refused. */
  readonly unnamedOnly?: true;
  readonly sources: readonly FieldRef[];
}

/** The connection goes to the cluster as it is, TLS and all. */
export interface PassthroughChain {
  readonly kind: 'passthrough';
  readonly name: string;
  /** One server name; a `*.` wildcard stands for exactly one label. */
  readonly serverName: string;
  /** Undefined where the backend cannot be used: the connection is closed, so that no wildcard of others decrypts it. */
  readonly cluster: string | undefined;
  readonly sources: readonly FieldRef[];
}

/** How HTTP connections of a listener behave. Times are in milliseconds; 0 switches a limit off. */
export interface HttpOptions {
  /** A connection begins with a PROXY protocol header (version 1 or 2). */
  readonly proxyProtocol: boolean;
  /** The client's address is that of the connection (true) or what `X-Forwarded-For` says (false). */
  readonly useRemoteAddress: boolean;
  readonly xffTrustedHops: number;
  readonly streamIdleTimeoutMs: number;
  readonly pathNormalization: PathNormalization;
  readonly headersWithUnderscores: HeadersWithUnderscores;
  readonly accessLog: 'off' | 'json';
}

/**
 * What becomes of a path before anything looks at it, and goes on as such. `none`: nothing. `base`: dot segments and needless escapes are
 * resolved, and a backslash is a slash. `merge-slashes`: several slashes are one, besides. `full`: a path with an escaped slash or
 * backslash is answered with a redirect to the one without, besides.
 */
export type PathNormalization = 'none' | 'base' | 'merge-slashes' | 'full';

/** What becomes of headers whose names have an underscore, which some servers take for a hyphen: `reject` is of the request. */
export type HeadersWithUnderscores = 'allow' | 'drop' | 'reject';
