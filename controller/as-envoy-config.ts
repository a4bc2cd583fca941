import { isMessage, type Message } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { Cluster_EdsClusterConfigSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RdsSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SdsSecretConfigSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { writeBalancedService } from '../envoy-config/index.ts';
import { walkMessage } from '../envoy-config/messages/walk-message.ts';
import { dedicatedName } from '../ingress-controller/index.ts';
import { type KubeObject, type Manifest, refOf, type Service } from '../kube/index.ts';
import type { ObjectRef } from '../model/index.ts';
import type { Settings } from '../settings/index.ts';
import { CLUSTER, LISTENER, ROUTES } from '../xds-server/translate/types.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { renderResource, sortResources } from './render.ts';

/** What of a config's resources stands in the object itself; endpoints and certificates are those of Services and Secrets. */
const WRITTEN: ReadonlySet<string> = new Set([LISTENER, ROUTES, CLUSTER]);
/** What resources come of: all but what an Ingress needs. */
const COMPILED: ReadonlySet<string> = new Set(['Ingress', 'CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig']);
/** Of the Service that clients reach an Ingress by, and the listeners that take them. */
const TAKEN = [
  { port: 80, listener: 'http' },
  { port: 443, listener: 'https' },
] as const;

/**
 * What each Ingress amounts to as a CiliumEnvoyConfig, by itself: what other Ingresses say of its hosts is left out. The same of each Service
 * whose requests are balanced.
 * @param pipeline without objects
 */
export function* asEnvoyConfigs(
  pipeline: Pipeline,
  objects: readonly KubeObject[],
  { balancing }: Pick<Settings['envoyConfig'], 'balancing'>,
): Iterable<Manifest> {
  const ingresses = objects.filter(({ kind }) => kind === 'Ingress');
  pipeline.apply({ upserts: objects.filter(({ kind }) => !COMPILED.has(kind)), removals: [] });
  for (const ingress of ingresses) {
    pipeline.apply({ upserts: [ingress], removals: [] });
    const ref = refOf(ingress);
    if (pipeline.model.ingresses.get(`${ref.namespace}/${ref.name}`)) yield asEnvoyConfig(pipeline, ref);
    pipeline.apply({ upserts: [], removals: [ref] });
  }
  for (const object of objects) if (object.kind === 'Service') yield* ofService(object, balancing);
}

/** Under the name that Cilium has for it. */
function* ofService(service: Service, balancing: Settings['envoyConfig']['balancing']): Iterable<Manifest> {
  const written = writeBalancedService(service, balancing);
  if (!written) return;
  const { apiVersion, kind, spec } = written;
  const { name, namespace } = service.metadata;
  yield { apiVersion, kind, metadata: { name: `cilium-envoy-lb-${name}`, namespace }, spec };
}

function asEnvoyConfig(pipeline: Pipeline, { namespace, name }: ObjectRef): Manifest {
  const resources = sortResources(pipeline.resources().filter(({ typeUrl }) => WRITTEN.has(typeUrl)));
  const listeners = new Set(resources.filter(({ typeUrl }) => typeUrl === LISTENER).map((listener) => listener.name));
  const sets = [...pipeline.model.clusters.entries()].flatMap(([, { discovery }]) =>
    discovery.kind === 'eds' ? [discovery.serviceName] : [],
  );
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    metadata: { name: `cilium-ingress-${namespace}-${name}`, namespace },
    spec: {
      services: TAKEN.filter(({ listener }) => listeners.has(listener)).map(({ port, listener }) => ({
        name: dedicatedName(name),
        namespace,
        ports: [port],
        listener,
      })),
      backendServices: backendServices(sets),
      resources: resources.map((resource) => renderResource(resource, simplify).body),
    },
  };
}

/** `namespace/service:port` and, behind another slash, what the endpoints speak, which a config's clusters say themselves. */
const SET_NAME = /^(?<namespace>[^/]+)\/(?<service>[^:]+):(?<port>\d+)/;

function backendServices(sets: readonly string[]) {
  const ports = new Map<string, string[]>();
  for (const set of [...new Set(sets.map(plainName))].sort()) {
    const { namespace = '', service = '', port = '' } = SET_NAME.exec(set)?.groups ?? {};
    ports.set(`${namespace}/${service}`, [...(ports.get(`${namespace}/${service}`) ?? []), port]);
  }
  return [...ports].map(([key, number]) => ({ name: key.slice(key.indexOf('/') + 1), namespace: key.slice(0, key.indexOf('/')), number }));
}

function plainName(set: string): string {
  return SET_NAME.exec(set)?.[0] ?? set;
}

/** Takes away what is filled in where a config leaves it out. */
function simplify(message: ReflectMessage): void {
  walkMessage(message, envoyRegistry(), ({ message: inner }) => leaveOut(inner));
}

function leaveOut(message: Message): boolean {
  if (isMessage(message, ListenerSchema)) {
    delete message.address;
    message.additionalAddresses = [];
  } else if (isMessage(message, RdsSchema)) delete message.configSource;
  else if (isMessage(message, SdsSecretConfigSchema)) delete message.sdsConfig;
  else if (isMessage(message, Cluster_EdsClusterConfigSchema)) {
    delete message.edsConfig;
    message.serviceName = plainName(message.serviceName);
  } else return false;
  return true;
}
