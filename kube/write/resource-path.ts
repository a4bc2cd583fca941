import type { ObjectRef } from '../../model/index.ts';

interface Resource {
  readonly apiVersion: string;
  /** The name in paths. */
  readonly plural: string;
}

/** What is written, and what Events are written about. */
const RESOURCES: Readonly<Record<string, Resource>> = {
  ConfigMap: { apiVersion: 'v1', plural: 'configmaps' },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices' },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events' },
  CiliumClusterwideEnvoyConfig: { apiVersion: 'cilium.io/v2', plural: 'ciliumclusterwideenvoyconfigs' },
  CiliumClusterwideNetworkPolicy: { apiVersion: 'cilium.io/v2', plural: 'ciliumclusterwidenetworkpolicies' },
  CiliumEnvoyConfig: { apiVersion: 'cilium.io/v2', plural: 'ciliumenvoyconfigs' },
  CiliumNetworkPolicy: { apiVersion: 'cilium.io/v2', plural: 'ciliumnetworkpolicies' },
  Ingress: { apiVersion: 'networking.k8s.io/v1', plural: 'ingresses' },
  IngressClass: { apiVersion: 'networking.k8s.io/v1', plural: 'ingressclasses' },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' },
  NetworkPolicy: { apiVersion: 'networking.k8s.io/v1', plural: 'networkpolicies' },
  Secret: { apiVersion: 'v1', plural: 'secrets' },
  Service: { apiVersion: 'v1', plural: 'services' },
  SluiceIdentity: { apiVersion: 'sluice.io/v1alpha1', plural: 'sluiceidentities' },
  SluiceSettings: { apiVersion: 'sluice.io/v1alpha1', plural: 'sluicesettings' },
};

/** The API version by which a kind is written; undefined for kinds that are none of our business. */
export function apiVersionOf(kind: string): string | undefined {
  return RESOURCES[kind]?.apiVersion;
}

/** The path of an object, `/apis/networking.k8s.io/v1/namespaces/default/ingresses/web`; undefined for kinds that are none of our business. */
export function objectPath({ kind, namespace, name }: ObjectRef): string | undefined {
  const collection = collectionPath(kind, namespace);
  return collection && `${collection}/${encodeURIComponent(name)}`;
}

/** The path of a kind in a namespace; empty for cluster-scoped kinds. */
export function collectionPath(kind: string, namespace: string): string | undefined {
  const resource = RESOURCES[kind];
  if (resource === undefined) return undefined;
  const group = resource.apiVersion === 'v1' ? '/api/v1' : `/apis/${resource.apiVersion}`;
  const scope = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${group}${scope}/${resource.plural}`;
}
