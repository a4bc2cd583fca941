import { type Ingress, refOf, type Service } from '../kube/index.ts';
import { compareText } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { type IngressOptions, ingestAnnotations } from './annotations/ingest.ts';
import type { BackendContext, ServiceRef } from './backend.ts';
import type { CertificateState } from './certificate.ts';
import { type ClusterKey, clusterName, type IngressClaims, type ListenerClaim, type ListenPorts, rankOf } from './claims.ts';
import type { Placement } from './cluster/placement.ts';
import { ingestPassthrough } from './passthrough.ts';
import { Redirects } from './redirects.ts';
import { Report } from './report.ts';
import { claimRoutes } from './route-claims.ts';
import { ingestRules } from './rules.ts';
import { balancedEntrance, type Entrance, hostPortEntrance, hostPortListener, sharedEntrance } from './tables.ts';
import { ingestTls, type SecretRef } from './tls.ts';

/** What an Ingress refers to. Asked only for what is needed, so that each call is a dependency. */
export interface IngressDependencies {
  readonly service: (ref: ServiceRef) => Service | undefined;
  /** Undefined where there is no such Secret. */
  readonly certificate: (ref: SecretRef) => CertificateState | undefined;
}

/** Where an Ingress is served, and by which ports. */
export interface Site {
  readonly ports: ListenPorts;
  readonly placement: Placement;
  /** Behind a load balancer of its own: the port of the nodes that it sends to; undefined as long as there is none. */
  readonly dedicatedPort?: number | undefined;
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
export function ingestIngress(
  ingress: Ingress,
  deps: IngressDependencies,
  settings: Pick<Settings, 'ingress' | 'upstream' | 'envoy'>,
  site: Site,
): IngressClaims {
  const report = new Report(refOf(ingress));
  const options = ingestAnnotations(ingress.metadata.annotations, settings, site.placement, report);
  const way = findEntrance(options, site, report);
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
  if (options.forceHttpsExplicit && ingress.spec.tls.length === 0) {
    const path = ['metadata', 'annotations', 'ingress.cilium.io/force-https'];
    report.add(path, 'ForceHttpsWithoutTls', 'has no effect without spec.tls; plain HTTP is served');
  }
  const redirects = new Redirects(options, tls.hosts, report);
  const routes = claimRoutes(wanted, { object: report.object, rank, entrance, tlsHosts: tls.hosts, redirects });
  return { routes, tls: tls.claims, listeners, clusters: uniqueClusters(clusters), diagnostics: report.diagnostics };
}

interface Way {
  readonly entrance: Entrance;
  readonly listeners: readonly ListenerClaim[];
}

function findEntrance({ hostPort, mode }: IngressOptions, { ports, placement, dedicatedPort }: Site, report: Report): Way | undefined {
  if (placement.kind === 'load-balancer' && mode === 'dedicated') {
    if (dedicatedPort === undefined) return undefined;
    const source = { object: report.object, path: [] };
    return { entrance: balancedEntrance(dedicatedPort), listeners: [hostPortListener(dedicatedPort, ports, [source])] };
  }
  if (hostPort === undefined) return { entrance: sharedEntrance(ports, placement), listeners: [] };
  if (hostPort === 'invalid') return undefined;
  const path = ['metadata', 'annotations', 'ingress.cilium.io/host-listener-port'];
  const own = placement.kind === 'host-network' ? [] : [ports.http, ports.https];
  if ([...own, ...ports.reserved].includes(hostPort)) {
    report.add(path, 'InvalidHostPort', `port ${hostPort} is in use by this process itself; the Ingress is not served`);
    return undefined;
  }
  const listener = hostPortListener(hostPort, ports, [{ object: report.object, path }]);
  return { entrance: hostPortEntrance(hostPort), listeners: [listener] };
}

function uniqueClusters(clusters: readonly ClusterKey[]): readonly ClusterKey[] {
  const byName = new Map(clusters.map((cluster) => [clusterName(cluster), cluster]));
  return Array.from(byName)
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([, cluster]) => cluster);
}
