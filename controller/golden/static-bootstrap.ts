import { create, fromBinary, isMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { InternalListenerSchema } from '@sluice/envoy-protos/envoy/extensions/bootstrap/internal_listener/v3/internal_listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  SdsSecretConfigSchema,
  type Secret,
  SecretSchema,
} from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { walkMessage } from '../../envoy-config/messages/walk-message.ts';
import { definingField } from '../../envoy-config/references/naming-fields.ts';
import { rewriteReferences } from '../../envoy-config/references/references.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';

/** The resources of one case; the name keeps them apart from those of others. */
export interface NamedResources {
  readonly name: string;
  readonly resources: readonly Resource[];
}

const FIRST_PORT = 10_000;
const REGEX_LIMIT = 're2.max_program_size.error_level';

/**
 * Puts all that would come over xDS into one bootstrap, so that Envoy can judge it without a control plane: routes stand in their
 * listeners, endpoints in their clusters. Only names, ports and where to find the rest are changed.
 * @returns the encoded bootstrap, for a file whose name ends in `.pb`
 */
export function staticBootstrap(cases: readonly NamedResources[], regexMaxProgramSize: number): Uint8Array {
  const found = cases.map((named) => new Found(named));
  const listeners = found.flatMap((resources) => resources.listeners);
  const addresses = listeners.flatMap(({ address, additionalAddresses }) => [address, ...additionalAddresses.map((more) => more.address)]);
  for (const [index, address] of addresses.entries()) {
    if (address?.address.case === 'socketAddress') address.address.value.portSpecifier = { case: 'portValue', value: FIRST_PORT + index };
  }
  const internal = anyPack(InternalListenerSchema, create(InternalListenerSchema));
  const bootstrap = create(BootstrapSchema, {
    bootstrapExtensions: [{ name: 'internal listeners', typedConfig: internal }],
    staticResources: {
      listeners,
      clusters: found.flatMap(({ clusters }) => clusters),
      secrets: found.flatMap(({ secrets }) => secrets),
    },
    layeredRuntime: {
      layers: [{ name: 'static', layerSpecifier: { case: 'staticLayer', value: { [REGEX_LIMIT]: regexMaxProgramSize } } }],
    },
  });
  return toBinary(BootstrapSchema, bootstrap);
}

/** The resources of a case while they are put together. */
class Found {
  readonly listeners: Listener[] = [];
  readonly clusters: Cluster[] = [];
  readonly secrets: Secret[] = [];
  readonly #case: string;
  readonly #routes = new Map<string, RouteConfiguration>();
  readonly #endpoints = new Map<string, ClusterLoadAssignment>();

  constructor({ name, resources }: NamedResources) {
    this.#case = name;
    for (const resource of resources) this.#take(this.#decode(resource).message);
    for (const message of [...this.listeners, ...this.clusters]) this.#resolve(message);
  }

  /** Every name in it becomes one of the case. */
  #decode({ typeUrl, body }: Resource): ReflectMessage {
    const registry = envoyRegistry();
    const schema = registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
    if (!schema) throw new Error(`${this.#case}: ${typeUrl} is no type`);
    const message = reflect(schema, fromBinary(schema, body));
    const own = (name: unknown) => `${this.#case}/${name}`;
    const naming = definingField(schema)?.field;
    if (naming) message.set(naming, own(message.get(naming)));
    rewriteReferences(message, registry, ({ name }) => own(name));
    return message;
  }

  #take(message: Message): void {
    if (isMessage(message, ListenerSchema)) this.listeners.push(message);
    else if (isMessage(message, ClusterSchema)) this.clusters.push(message);
    else if (isMessage(message, SecretSchema)) this.secrets.push(message);
    else if (isMessage(message, RouteConfigurationSchema)) this.#routes.set(message.name, message);
    else if (isMessage(message, ClusterLoadAssignmentSchema)) this.#endpoints.set(message.clusterName, message);
  }

  #resolve(message: Listener | Cluster): void {
    const schema = message.$typeName === ListenerSchema.typeName ? ListenerSchema : ClusterSchema;
    walkMessage(reflect(schema, message), envoyRegistry(), ({ message: inner }) => this.#resolveOne(inner));
  }

  /** @returns whether it changed */
  #resolveOne(message: Message): boolean {
    if (isMessage(message, HttpConnectionManagerSchema)) {
      if (message.routeSpecifier.case !== 'rds') return false;
      message.routeSpecifier = { case: 'routeConfig', value: this.#routesOf(message.routeSpecifier.value.routeConfigName) };
    } else if (isMessage(message, ClusterSchema)) {
      if (message.clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS) return false;
      message.loadAssignment = this.#there(this.#endpoints, message.edsClusterConfig?.serviceName || message.name);
      message.clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.STATIC };
      delete message.edsClusterConfig;
    } else if (isMessage(message, SdsSecretConfigSchema)) {
      // Without a source it names one of the bootstrap.
      delete message.sdsConfig;
    } else return false;
    return true;
  }

  /** Envoy is to check that the clusters exist, which it leaves out while they come by xDS. */
  #routesOf(name: string): RouteConfiguration {
    const routes = this.#there(this.#routes, name);
    routes.validateClusters = true;
    return routes;
  }

  #there<T>(all: ReadonlyMap<string, T>, name: string): T {
    const found = all.get(name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }
}
