import type { Collection, Graph } from '../../collection/index.ts';
import type { Listener, Tracing } from '../../model/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { translateCertificate } from '../../xds-server/translate/certificates.ts';
import { translateCluster } from '../../xds-server/translate/clusters.ts';
import { translateEndpoints } from '../../xds-server/translate/endpoints.ts';
import { translateListener } from '../../xds-server/translate/listeners.ts';
import type { IngressMarks } from '../../xds-server/translate/socket-options.ts';
import { translateCollector } from '../../xds-server/translate/tracing.ts';
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, SCOPED_ROUTES, SECRET } from '../../xds-server/translate/types.ts';
import type { EnvoyConfigStages } from './envoy-configs.ts';
import type { ModelStages } from './model.ts';
import type { RouteStages } from './route-resources.ts';

/** The encoded resources of one type, by name. */
export interface ResourceStage {
  readonly typeUrl: string;
  readonly resources: Collection<Resource>;
  /** Those of configs, which listeners that nodes make may need a little longer; absent: none. */
  readonly ofConfigs?: Collection<unknown>;
}

/** What holds for all Envoys. */
export interface EnvoyOptions {
  readonly marks?: IngressMarks | undefined;
  /** Whether requests and connections are told of. Default: false. */
  readonly logsRequests?: boolean | undefined;
  /** Absent: no spans of requests are told. */
  readonly tracing?: Tracing | undefined;
}

export function buildResources(
  graph: Graph,
  model: ModelStages,
  { routes, configs }: { readonly routes: RouteStages; readonly configs: EnvoyConfigStages },
  { marks, logsRequests = false, tracing }: EnvoyOptions = {},
): readonly ResourceStage[] {
  const clusters = graph.derive(
    'cluster resources',
    model.clusters,
    ({ cluster }) => cluster && translateCluster(cluster, marks && { mark: marks.client }),
  );
  const ofIngresses = graph.derive('endpoint resources of ingresses', model.endpointSets, (result) => translateEndpoints(result.endpoints));
  // What Services and Secrets have is theirs, also where a config says something else of such a name.
  const [ownEndpoints, ownSecrets] = [configResources(graph, configs, ENDPOINTS), configResources(graph, configs, SECRET)];
  const ofConfigs = {
    endpoints: graph.union('endpoint resources of configs', configs.endpoints, ownEndpoints),
    secrets: graph.union('secret resources of all configs', configs.secrets, ownSecrets),
  };
  // Of a Service that both lead to, configs need the addresses of the second family, and Ingresses do with them, too.
  const ofBothFamilies = graph.derive('endpoint resources of both families', configs.endpoints, (resource, name, read) =>
    read(ofIngresses, name)?.version === resource.version ? undefined : resource,
  );
  const endpoints = graph.union('endpoint resources', ofBothFamilies, ofIngresses, ownEndpoints);
  const listeners = graph.derive('listener resources', model.listeners, (listener, _name, read) =>
    servesSomething(listener)
      ? translateListener(listener, (table) => read(routes.dividedTables, table) === true, {
          ...(marks && { mark: marks.server }),
          logsRequests,
          tracing,
        })
      : undefined,
  );
  const shards = graph.derive('route resources', routes.shards, ({ resource }) => resource);
  return [
    { typeUrl: CLUSTER, resources: clusters },
    ...(tracing ? [{ typeUrl: CLUSTER, resources: collectorOf(graph, tracing) }] : []),
    { typeUrl: ENDPOINTS, resources: endpoints, ofConfigs: ofConfigs.endpoints },
    {
      typeUrl: SECRET,
      resources: graph.union('all secret resources', buildSecrets(graph, model), ofConfigs.secrets),
      ofConfigs: ofConfigs.secrets,
    },
    { typeUrl: ROUTES, resources: shards },
    { typeUrl: SCOPED_ROUTES, resources: routes.scopes },
    { typeUrl: LISTENER, resources: routes.scopeKeepers },
    { typeUrl: LISTENER, resources: listeners },
    { typeUrl: LISTENER, resources: configResources(graph, configs, LISTENER) },
    ...[CLUSTER, ROUTES].map((typeUrl) => {
      const resources = configResources(graph, configs, typeUrl);
      return { typeUrl, resources, ofConfigs: resources };
    }),
  ];
}

/** Those of one type, by name. None but of endpoints and secrets is one of an Ingress': it has slashes in other places. */
function configResources(graph: Graph, { resources }: EnvoyConfigStages, typeUrl: string): Collection<Resource> {
  const byName = graph.group(`${typeUrl} of configs`, resources, ({ resource }): [string, Resource][] =>
    resource.typeUrl === typeUrl ? [[resource.name, resource]] : [],
  );
  return graph.derive(`${typeUrl} of configs by name`, byName, ([resource]) => resource);
}

function servesSomething({ plaintextTable, tlsChains }: Listener): boolean {
  return plaintextTable !== undefined || tlsChains.length > 0;
}

/** Where Envoys tell of requests. */
function collectorOf(graph: Graph, { collector }: Tracing): Collection<Resource> {
  const input = graph.input<Resource>('collector resource');
  const resource = translateCollector(collector);
  input.set(resource.name, resource);
  return input;
}

/** Only the certificates that a listener uses leave the controller. */
function buildSecrets(graph: Graph, { listeners, certificates }: ModelStages): Collection<Resource> {
  const uses = graph.group('certificate uses', listeners, ({ tlsChains }) =>
    tlsChains.flatMap((chain): [string, true][] => (chain.kind === 'terminate' ? [[chain.certificate, true]] : [])),
  );
  return graph.derive('secret resources', uses, (_uses, name, read) => {
    const found = read(certificates, name);
    return found?.state === 'usable' ? translateCertificate(found.certificate) : undefined;
  });
}
