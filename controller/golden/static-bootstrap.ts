import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { DownstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET } from '../../xds-server/translate/types.ts';

/** The resources of one case; the name keeps them apart from those of others. */
export interface NamedResources {
  readonly name: string;
  readonly resources: readonly Resource[];
}

const FIRST_PORT = 10_000;
const REGEX_LIMIT = 're2.max_program_size.error_level';

/**
 * Puts all that would come over xDS into one bootstrap, so that Envoy can judge it without a control plane: routes and
 * certificates stand in their listeners, endpoints in their clusters. Only names, ports and where to find the rest are changed.
 * @returns the encoded bootstrap, for a file whose name ends in `.pb`
 */
export function staticBootstrap(cases: readonly NamedResources[], regexMaxProgramSize: number): Uint8Array {
  const listeners: Listener[] = [];
  const clusters: Cluster[] = [];
  for (const { name, resources } of cases) {
    const found = new Found(name, resources);
    listeners.push(...found.listeners());
    clusters.push(...found.clusters());
  }
  for (const [index, { address }] of listeners.entries()) {
    if (address?.address.case === 'socketAddress') address.address.value.portSpecifier = { case: 'portValue', value: FIRST_PORT + index };
  }
  const bootstrap = create(BootstrapSchema, {
    staticResources: { listeners, clusters },
    layeredRuntime: {
      layers: [{ name: 'static', layerSpecifier: { case: 'staticLayer', value: { [REGEX_LIMIT]: regexMaxProgramSize } } }],
    },
  });
  return toBinary(BootstrapSchema, bootstrap);
}

/** The resources of a case while they are put together. */
class Found {
  readonly #case: string;
  readonly #resources: readonly Resource[];

  constructor(name: string, resources: readonly Resource[]) {
    this.#case = name;
    this.#resources = resources;
  }

  listeners(): readonly Listener[] {
    return this.#ofType(LISTENER).map(({ body }) => {
      const listener = fromBinary(ListenerSchema, body);
      listener.name = this.#own(listener.name);
      for (const chain of listener.filterChains) {
        for (const { configType } of chain.filters) {
          if (configType.case === 'typedConfig') configType.value = this.#filter(configType.value);
        }
        const socket = chain.transportSocket?.configType;
        if (socket?.case === 'typedConfig') socket.value = this.#transportSocket(socket.value);
      }
      return listener;
    });
  }

  clusters(): readonly Cluster[] {
    return this.#ofType(CLUSTER).map(({ body }) => {
      const cluster = fromBinary(ClusterSchema, body);
      cluster.name = this.#own(cluster.name);
      if (cluster.edsClusterConfig !== undefined) {
        cluster.loadAssignment = fromBinary(ClusterLoadAssignmentSchema, this.#body(ENDPOINTS, cluster.edsClusterConfig.serviceName));
        cluster.clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.STATIC };
        delete cluster.edsClusterConfig;
      }
      if (cluster.loadAssignment) cluster.loadAssignment.clusterName = cluster.name;
      return cluster;
    });
  }

  #filter(filter: Any): Any {
    const proxy = anyUnpack(filter, TcpProxySchema);
    if (proxy?.clusterSpecifier.case === 'cluster') {
      proxy.clusterSpecifier.value = this.#own(proxy.clusterSpecifier.value);
      return anyPack(TcpProxySchema, proxy);
    }
    const manager = anyUnpack(filter, HttpConnectionManagerSchema);
    if (!manager) return filter;
    if (manager.routeSpecifier.case !== 'rds') throw new Error(`${this.#case}: routes by ${manager.routeSpecifier.case}`);
    manager.routeSpecifier = { case: 'routeConfig', value: this.#routes(manager.routeSpecifier.value.routeConfigName) };
    return anyPack(HttpConnectionManagerSchema, manager);
  }

  /** Envoy is to check that the clusters exist, which it leaves out while they come by xDS. */
  #routes(name: string): RouteConfiguration {
    const routes = fromBinary(RouteConfigurationSchema, this.#body(ROUTES, name));
    routes.validateClusters = true;
    for (const { action } of routes.virtualHosts.flatMap((host) => host.routes)) {
      if (action.case !== 'route' || action.value.clusterSpecifier.case !== 'cluster') continue;
      action.value.clusterSpecifier.value = this.#own(action.value.clusterSpecifier.value);
    }
    return routes;
  }

  #transportSocket(socket: Any): Any {
    const context = anyUnpack(socket, DownstreamTlsContextSchema);
    if (!context?.commonTlsContext) return socket;
    const { commonTlsContext } = context;
    commonTlsContext.tlsCertificates = commonTlsContext.tlsCertificateSdsSecretConfigs.map(({ name }) => {
      const { type } = fromBinary(SecretSchema, this.#body(SECRET, name));
      if (type.case !== 'tlsCertificate') throw new Error(`${this.#case}: secret ${name} is no certificate`);
      return type.value;
    });
    commonTlsContext.tlsCertificateSdsSecretConfigs = [];
    return anyPack(DownstreamTlsContextSchema, context);
  }

  #ofType(typeUrl: string): readonly Resource[] {
    return this.#resources.filter((resource) => resource.typeUrl === typeUrl);
  }

  #body(typeUrl: string, name: string): Uint8Array {
    const found = this.#ofType(typeUrl).find((resource) => resource.name === name);
    if (!found) throw new Error(`${this.#case}: there is no ${typeUrl} ${name}`);
    return found.body;
  }

  #own(name: string): string {
    return `${this.#case}/${name}`;
  }
}
