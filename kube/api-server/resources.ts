import type { Kind } from '../object.ts';

/** What is listed and watched. */
export interface WatchedResource {
  readonly kind: Kind;
  readonly apiVersion: string;
  /** The name in paths. */
  readonly plural: string;
  /** https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/ */
  readonly fieldSelector?: string;
  /** Only the metadata is watched; the contents come of those that are wanted. */
  readonly onWant?: boolean;
  /** Only the metadata is watched; nothing else is read. */
  readonly metadataOnly?: boolean;
  /** A server that has no such kind is as good as one without objects of it; it is asked again now and then. */
  readonly optional?: boolean;
}

/** In all namespaces. */
export const WATCHED_RESOURCES: readonly WatchedResource[] = [
  { kind: 'Ingress', apiVersion: 'networking.k8s.io/v1', plural: 'ingresses' },
  { kind: 'IngressClass', apiVersion: 'networking.k8s.io/v1', plural: 'ingressclasses' },
  { kind: 'Service', apiVersion: 'v1', plural: 'services' },
  { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices' },
  {
    kind: 'Secret',
    apiVersion: 'v1',
    plural: 'secrets',
    // Most of a cluster's bytes of Secrets, and never a certificate.
    fieldSelector: 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token',
    onWant: true,
  },
  { kind: 'SluiceSettings', apiVersion: 'sluice.io/v1alpha1', plural: 'sluicesettings', optional: true },
];

/** What policy is made of, beside those above. */
export const POLICY_RESOURCES: readonly WatchedResource[] = [
  { kind: 'Pod', apiVersion: 'v1', plural: 'pods' },
  { kind: 'Namespace', apiVersion: 'v1', plural: 'namespaces' },
  { kind: 'Node', apiVersion: 'v1', plural: 'nodes' },
  { kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', plural: 'networkpolicies' },
  { kind: 'CiliumNetworkPolicy', apiVersion: 'cilium.io/v2', plural: 'ciliumnetworkpolicies', optional: true },
  { kind: 'CiliumClusterwideNetworkPolicy', apiVersion: 'cilium.io/v2', plural: 'ciliumclusterwidenetworkpolicies', optional: true },
  { kind: 'SluiceIdentity', apiVersion: 'sluice.io/v1alpha1', plural: 'sluiceidentities', optional: true },
];

/** Read where policies are enforced, which bind what these do. */
export const ENVOY_CONFIG_RESOURCES: readonly WatchedResource[] = [
  { kind: 'CiliumEnvoyConfig', apiVersion: 'cilium.io/v2', plural: 'ciliumenvoyconfigs', optional: true },
  { kind: 'CiliumClusterwideEnvoyConfig', apiVersion: 'cilium.io/v2', plural: 'ciliumclusterwideenvoyconfigs', optional: true },
];

/** Read while they are wanted, where they are not read anyway. */
export const NODES: WatchedResource = { kind: 'Node', apiVersion: 'v1', plural: 'nodes', metadataOnly: true };

/** `/apis/networking.k8s.io/v1` */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
