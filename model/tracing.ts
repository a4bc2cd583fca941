/** Spans of requests, as Envoys tell them: where to, of which requests, and what is said of who tells. */
export interface Tracing {
  readonly collector: Collector;
  /** Of how many requests that bring no trace a trace is begun, in percent. Who brings one has decided. */
  readonly sampling: number;
  /** `service.name` of what is told. */
  readonly serviceName: string;
  /** What else is said of who tells. */
  readonly resourceAttributes?: Readonly<Record<string, string>> | undefined;
}

const ENDPOINT = /^(?<scheme>https?):\/\/(?:\[(?<ipv6>[^\]]*)\]|(?<name>[^:/]*))(?::(?<port>\d+))?/;

/** Where a collector listens, an address of IPv6 without its brackets; at the port of the scheme where none is named. */
export function collectorAddress({ endpoint }: Collector): { readonly host: string; readonly port: number; readonly isSecure: boolean } {
  const { scheme, ipv6, name, port } = ENDPOINT.exec(endpoint)?.groups ?? {};
  const isSecure = scheme === 'https';
  return { host: ipv6 ?? name ?? '', port: Number(port ?? (isSecure ? '443' : '80')), isSecure };
}

/** Who is told by OpenTelemetry's protocol. */
export interface Collector {
  /** `http://host:port` or `https://host:port`, for `http` with the path before `/v1/traces` where there is one. */
  readonly endpoint: string;
  readonly protocol: 'grpc' | 'http';
  /** Sent with all that it is told. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A file of PEM, by which its certificate is checked. */
  readonly certificateAuthorities: string;
}
