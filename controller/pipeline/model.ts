import type { Collection, Graph } from '../../collection/index.ts';
import {
  assembleListener,
  baseListeners,
  type CertificateState,
  type ClusterKey,
  type ClusterResult,
  clusterName,
  type EndpointsResult,
  type IngressClaims,
  type IngressDependencies,
  ingestCertificate,
  ingestEndpoints,
  ingestIngress,
  ingestService,
  type ListenerClaim,
  type ListenPorts,
  mergeTls,
  mergeVirtualHost,
  type Placement,
  type RouteClaim,
  SERVICE_NAME_LABEL,
  type TlsClaim,
  type TlsMerge,
  type VirtualHostMerge,
  wildcardOf,
} from '../../ingress-controller/index.ts';
import type { EndpointSlice } from '../../kube/index.ts';
import type { Listener } from '../../model/index.ts';
import type { Settings } from '../../settings/index.ts';
import { buildSites, type SiteStages } from './ingress-sites.ts';
import { type Inputs, inputKey, NOW } from './inputs.ts';
import { buildSettings, type SettingsStages } from './settings-in-force.ts';

/** What an Ingress of ours wants. */
export interface IngestedIngress extends IngressClaims {
  /** `namespace/name` of the Secrets that it refers to, whether or not they exist. */
  readonly secrets: readonly string[];
}

/** The model, in collections; see the folder ingress-controller for how each part is made. */
export interface ModelStages {
  readonly settings: SettingsStages;
  readonly sites: SiteStages;
  readonly ingresses: Collection<IngestedIngress>;
  /** By {@link virtualHostKey}. */
  readonly virtualHosts: Collection<VirtualHostMerge>;
  /** By listener and server name. */
  readonly tls: Collection<TlsMerge>;
  readonly listeners: Collection<Listener>;
  readonly clusters: Collection<ClusterResult>;
  readonly endpointSets: Collection<EndpointsResult>;
  /** By `namespace/name` of the Service that they name. */
  readonly slicesOfServices: Collection<readonly EndpointSlice[]>;
  /** Those of Secrets that an Ingress of ours refers to; whatever else is in a Secret is not looked at. */
  readonly certificates: Collection<CertificateState>;
  /** By `namespace/name` of the Secrets that Ingresses of ours refer to, whether or not they exist. */
  readonly secretReferences: Collection<readonly string[]>;
}

export interface ModelOptions {
  readonly ports: ListenPorts;
  /** Where Ingresses are served by some settings. */
  readonly placementOf: (ingress: Settings['ingress']) => Placement;
}

/** Where a virtual host stands in its collection: neither tables nor hosts have spaces. */
export function virtualHostKey(table: string, host: string): string {
  return `${table} ${host}`;
}

export function buildModel(graph: Graph, inputs: Inputs, options: ModelOptions): ModelStages {
  const settings = buildSettings(graph, inputs, options.placementOf);
  const sites = buildSites(graph, inputs, settings);
  const secrets = graph.derive('certificates in secrets', inputs.secrets, (secret, _key, read) =>
    ingestCertificate(secret, read(inputs.clock, NOW) ?? new Date(0)),
  );
  const ingresses = buildIngresses(graph, inputs, secrets, { settings, sites, ports: options.ports });
  const secretReferences = graph.group('secret references', ingresses, (ingress) => ingress.secrets.map((name) => [name, name] as const));
  const certificates = graph.derive('certificates', secretReferences, (_users, name, read) => read(secrets, name));
  const virtualHosts = buildVirtualHosts(graph, ingresses);
  const tlsClaims = graph.group('TLS claims', ingresses, ({ tls }) =>
    tls.map((claim): [string, TlsClaim] => [`${claim.listener} ${claim.serverName}`, claim]),
  );
  const tls = graph.derive('TLS merges', tlsClaims, (claims) => mergeTls(claims));
  const listeners = buildListeners(graph, ingresses, tls, { settings, ports: options.ports });
  const { clusters, endpointSets, slicesOfServices } = buildClusters(graph, inputs, ingresses, settings);
  const endpoints = { clusters, endpointSets, slicesOfServices };
  return { settings, sites, ingresses, virtualHosts, tls, listeners, ...endpoints, certificates, secretReferences };
}

function buildIngresses(
  graph: Graph,
  inputs: Inputs,
  certificates: Collection<CertificateState>,
  { settings, sites, ports }: { readonly settings: SettingsStages; readonly sites: SiteStages; readonly ports: ListenPorts },
): Collection<IngestedIngress> {
  return graph.derive('ingress claims', inputs.ingresses, (ingress, key, read) => {
    const managed = read(sites.management, key);
    const own = read(settings.ofIngresses, NOW);
    const placement = read(settings.placement, NOW);
    if (!managed?.managed || !own || !placement) return undefined;
    const secrets = new Set<string>();
    const dependencies: IngressDependencies = {
      service: (ref) => read(inputs.services, inputKey(ref)),
      certificate: (ref) => {
        secrets.add(inputKey(ref));
        return read(certificates, inputKey(ref));
      },
    };
    const claims = ingestIngress(ingress, dependencies, own, { ports, placement, dedicatedPort: read(sites.ports, key) });
    return { ...claims, secrets: [...secrets], diagnostics: [...managed.diagnostics, ...claims.diagnostics] };
  });
}

function buildVirtualHosts(graph: Graph, ingresses: Collection<IngestedIngress>): Collection<VirtualHostMerge> {
  const claims = graph.group('route claims', ingresses, ({ routes }) =>
    routes.map((claim): [string, RouteClaim] => [virtualHostKey(claim.table, claim.host), claim]),
  );
  return graph.derive('virtual hosts', claims, (own, key, read) => {
    const [table = '', host = ''] = key.split(' ');
    const claimsOf = (other: string | undefined) => (other === undefined ? [] : (read(claims, virtualHostKey(table, other)) ?? []));
    const wildcard = claimsOf(wildcardOf(host));
    const any = host === '*' ? [] : claimsOf('*');
    return mergeVirtualHost({ table, host }, { own, wildcard, any });
  });
}

function buildListeners(
  graph: Graph,
  ingresses: Collection<IngestedIngress>,
  tls: Collection<TlsMerge>,
  { settings, ports }: { readonly settings: SettingsStages; readonly ports: ListenPorts },
): Collection<Listener> {
  const claimed = graph.group('listener claims', ingresses, ({ listeners }) =>
    listeners.map((claim): [string, ListenerClaim] => [claim.name, claim]),
  );
  const base = graph.group('base listener claims', settings.placement, (placement) =>
    baseListeners(ports, placement).map((claim): [string, ListenerClaim] => [claim.name, claim]),
  );
  const winners = graph.group('TLS winners', tls, ({ winner }): [string, TlsClaim][] => [[winner.listener, winner]]);
  return graph.derive('listeners', graph.union('all listener claims', base, claimed), (claims, name, read) => {
    const http = read(settings.http, NOW);
    return http && assembleListener(claims, read(winners, name) ?? [], { http });
  });
}

function buildClusters(graph: Graph, inputs: Inputs, ingresses: Collection<IngestedIngress>, settings: SettingsStages) {
  const uses = graph.group('cluster uses', ingresses, ({ clusters }) =>
    clusters.map((key): [string, ClusterKey] => [clusterName(key), key]),
  );
  const keys = graph.derive('cluster keys', uses, ([key]) => key);
  const clusters = graph.derive('clusters', keys, (key, _name, read) => {
    const service = read(inputs.services, inputKey({ namespace: key.namespace, name: key.service }));
    const upstream = read(settings.upstream, NOW);
    return service && upstream && ingestService(service, key.port, upstream);
  });
  const slices = graph.group('endpoint slices by service', inputs.endpointSlices, (slice) => {
    const service = slice.metadata.labels[SERVICE_NAME_LABEL];
    return service === undefined ? [] : [[inputKey({ namespace: slice.metadata.namespace, name: service }), slice] as const];
  });
  const endpointUses = graph.group('endpoint uses', clusters, ({ cluster }): [string, string][] =>
    cluster?.discovery.kind === 'eds' ? [[cluster.discovery.serviceName, cluster.name]] : [],
  );
  const endpointSets = graph.derive('endpoint sets', endpointUses, ([cluster], _name, read) => {
    const key = cluster === undefined ? undefined : read(keys, cluster);
    if (!key) return undefined;
    const serviceKey = inputKey({ namespace: key.namespace, name: key.service });
    const service = read(inputs.services, serviceKey);
    if (!service) return undefined;
    return ingestEndpoints(service, key.port, read(slices, serviceKey) ?? []);
  });
  return { clusters, endpointSets, slicesOfServices: slices };
}
