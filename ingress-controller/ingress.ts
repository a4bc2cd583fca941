import { type Ingress, refOf, type Service } from '../kube/index.ts';
import type { RedirectAction } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { type IngressOptions, ingestAnnotations } from './annotations/ingest.ts';
import type { BackendContext, ServiceRef } from './backend.ts';
import type { CertificateState } from './certificate.ts';
import {
  type ClusterKey,
  clusterName,
  compareText,
  type IngressClaims,
  type ListenerClaim,
  type ListenPorts,
  type RouteClaim,
  type RouteKind,
  rankOf,
} from './claims.ts';
import { covers } from './host.ts';
import { ingestPassthrough } from './passthrough.ts';
import { Report } from './report.ts';
import { ingestRules, type WantedRoute } from './rules.ts';
import { type Entrance, hostPortEntrance, hostPortListener, sharedEntrance } from './tables.ts';
import { findCover, ingestTls, type SecretRef, type TlsHost } from './tls.ts';

/** What an Ingress refers to. Asked only for what is needed, so that each call is a dependency. */
export interface IngressDependencies {
  readonly service: (ref: ServiceRef) => Service | undefined;
  /** Undefined where there is no such Secret. */
  readonly certificate: (ref: SecretRef) => CertificateState | undefined;
}

/**
 * Reads one Ingress that is ours into what it wants of the proxy. Nothing here depends on any other Ingress: who gets what
 * is decided by {@link mergeVirtualHost} and {@link mergeTls}.
 *
 * Every route is wanted on connections with and without TLS, since a rule knows no scheme; a table is needed only where a
 * listener leads to it. `force-https` turns those without TLS into a redirect, for the hosts that this Ingress itself has
 * TLS for: always where its annotation asks for it, even when the certificate is unusable and the redirect leads nowhere;
 * where only the settings ask for it, as long as the certificate is usable.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/ingress/
 */
export function ingestIngress(ingress: Ingress, deps: IngressDependencies, settings: Settings, ports: ListenPorts): IngressClaims {
  const report = new Report(refOf(ingress));
  const options = ingestAnnotations(ingress.metadata.annotations, settings, report);
  const way = findEntrance(options, ports, report);
  if (way === undefined) return { routes: [], tls: [], listeners: [], clusters: [], diagnostics: report.diagnostics };
  const { entrance, listeners } = way;
  const rank = rankOf(ingress);
  const backends: BackendContext = {
    namespace: ingress.metadata.namespace,
    service: deps.service,
    requestTimeoutMs: options.requestTimeoutMs,
    settings: settings.upstream,
    report,
  };
  if (options.tlsPassthrough) {
    const { claims, clusters } = ingestPassthrough(ingress, entrance, rank, backends);
    return { routes: [], tls: claims, listeners, clusters: uniqueClusters(clusters), diagnostics: report.diagnostics };
  }
  const tls = ingestTls(ingress, { certificate: deps.certificate, settings: settings.ingress, entrance, rank, report });
  const { routes: wanted, clusters } = ingestRules(ingress, backends, settings.envoy.regexMaxProgramSize);
  const redirects = new Redirects(options, tls.hosts, report);
  const routes = claimRoutes(wanted, tls.hosts, redirects, entrance, report, rank);
  return { routes, tls: tls.claims, listeners, clusters: uniqueClusters(clusters), diagnostics: report.diagnostics };
}

interface Way {
  readonly entrance: Entrance;
  readonly listeners: readonly ListenerClaim[];
}

function findEntrance({ hostPort }: IngressOptions, ports: ListenPorts, report: Report): Way | undefined {
  if (hostPort === undefined) return { entrance: sharedEntrance(ports), listeners: [] };
  if (hostPort === 'invalid') return undefined;
  const path = ['metadata', 'annotations', 'ingress.cilium.io/host-listener-port'];
  if ([ports.http, ports.https, ...ports.reserved].includes(hostPort)) {
    report.add(path, 'InvalidHostPort', `port ${hostPort} is in use by this process itself; the Ingress is not served`);
    return undefined;
  }
  const listener = hostPortListener(hostPort, ports, { object: report.object, path });
  return { entrance: hostPortEntrance(hostPort), listeners: [listener] };
}

/** Decides for each host of an Ingress whether plain HTTP is redirected, and says so once where that is a hard choice. */
class Redirects {
  readonly #options: IngressOptions;
  readonly #hosts: readonly TlsHost[];
  readonly #report: Report;
  readonly #decided = new Map<string, boolean>();

  constructor(options: IngressOptions, hosts: readonly TlsHost[], report: Report) {
    this.#options = options;
    this.#hosts = hosts;
    this.#report = report;
  }

  has(host: string): boolean {
    const decided = this.#decided.get(host) ?? this.#decide(host);
    this.#decided.set(host, decided);
    return decided;
  }

  #decide(host: string): boolean {
    if (!this.#options.forceHttps) return false;
    const cover = findCover(this.#hosts, host);
    if (cover === undefined || cover.usable) return cover !== undefined;
    const name = host === '*' ? 'any host' : host;
    if (this.#options.forceHttpsExplicit) {
      const message = `plain HTTP for ${name} is redirected to HTTPS, where there is no usable certificate`;
      this.#report.add(cover.path, 'RedirectWithoutCertificate', message);
      return true;
    }
    const message = `plain HTTP for ${name} is not redirected while there is no usable certificate; force-https would do it all the same`;
    this.#report.add(cover.path, 'ServedInPlaintext', message);
    return false;
  }
}

function claimRoutes(
  wanted: readonly WantedRoute[],
  tlsHosts: readonly TlsHost[],
  redirects: Redirects,
  entrance: Entrance,
  report: Report,
  rank: RouteClaim['rank'],
): readonly RouteClaim[] {
  const claims: RouteClaim[] = [];
  const redirect: RedirectAction = { kind: 'redirect-https', port: entrance.tlsPort, status: 308 };
  for (const [position, route] of wanted.entries()) {
    const { plaintextTable, secureTable } = entrance;
    const plaintext = (host: string) => (redirects.has(host) ? redirect : route.action);
    claim(plaintextTable, route.host, route.kind, plaintext(route.host));
    claim(secureTable, route.host, route.kind, route.action);
    for (const host of narrowerHosts(route.host, tlsHosts)) {
      const kind = route.kind === 'rule' ? 'wildcard' : route.kind;
      if (kind === 'default' || redirects.has(host) !== redirects.has(route.host)) claim(plaintextTable, host, kind, plaintext(host));
      if (kind === 'default') claim(secureTable, host, kind, route.action);
    }

    function claim(table: string, host: string, kind: RouteKind, action: RouteClaim['route']['action']): void {
      const source = { object: report.object, path: route.path };
      const name = `${rank.namespace}/${rank.name}`;
      claims.push({ table, host, kind, route: { name, match: route.match, action, source }, rank, position });
    }
  }
  return claims;
}

/** The TLS hosts that a rule for more than them answers too. */
function narrowerHosts(host: string, tlsHosts: readonly TlsHost[]): ReadonlySet<string> {
  if (!host.startsWith('*')) return new Set();
  const names = tlsHosts.map(({ name }) => name);
  return new Set(names.filter((name) => name !== '' && name !== host && (host === '*' || covers(host, name))));
}

function uniqueClusters(clusters: readonly ClusterKey[]): readonly ClusterKey[] {
  const byName = new Map(clusters.map((cluster) => [clusterName(cluster), cluster]));
  return Array.from(byName)
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([, cluster]) => cluster);
}
