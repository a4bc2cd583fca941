import type { ObjectRef } from '../model/index.ts';
import { type CiliumEnvoyConfig, ciliumClusterwideEnvoyConfigView, ciliumEnvoyConfigView } from './views/cilium-envoy-config.ts';
import {
  type CiliumClusterwideNetworkPolicy,
  type CiliumNetworkPolicy,
  ciliumClusterwideNetworkPolicyView,
  ciliumNetworkPolicyView,
} from './views/cilium-network-policy.ts';
import { type Ingress, type IngressClass, ingressClassView, ingressView } from './views/ingress.ts';
import { type Namespace, namespaceView } from './views/namespace.ts';
import { type NetworkPolicy, networkPolicyView } from './views/network-policy.ts';
import { type Node, nodeView } from './views/node.ts';
import { type Pod, podView } from './views/pod.ts';
import { type Secret, secretView } from './views/secret.ts';
import { type EndpointSlice, endpointSliceView, type Service, serviceView } from './views/service.ts';
import { type SluiceIdentity, sluiceIdentityView } from './views/sluice-identity.ts';
import { type SluiceSettings, sluiceSettingsView } from './views/sluice-settings.ts';

/** An object that Sluice reads, reduced to what it reads of it. */
export type KubeObject =
  | Ingress
  | IngressClass
  | Service
  | EndpointSlice
  | Secret
  | SluiceSettings
  | SluiceIdentity
  | Node
  | Pod
  | Namespace
  | NetworkPolicy
  | CiliumNetworkPolicy
  | CiliumClusterwideNetworkPolicy
  | CiliumEnvoyConfig;

export type Kind = KubeObject['kind'];

/**
 * The view of each kind, by `apiVersion/kind`. Whatever is not here is none of our business. A view takes an object
 * without nulls; `validateObject` is how objects get to be seen through one.
 */
export const VIEWS = {
  'networking.k8s.io/v1/Ingress': ingressView,
  'networking.k8s.io/v1/IngressClass': ingressClassView,
  'v1/Service': serviceView,
  'discovery.k8s.io/v1/EndpointSlice': endpointSliceView,
  'v1/Secret': secretView,
  'sluice.io/v1alpha1/SluiceSettings': sluiceSettingsView,
  'sluice.io/v1alpha1/SluiceIdentity': sluiceIdentityView,
  'v1/Node': nodeView,
  'v1/Pod': podView,
  'v1/Namespace': namespaceView,
  'networking.k8s.io/v1/NetworkPolicy': networkPolicyView,
  'cilium.io/v2/CiliumNetworkPolicy': ciliumNetworkPolicyView,
  'cilium.io/v2/CiliumClusterwideNetworkPolicy': ciliumClusterwideNetworkPolicyView,
  'cilium.io/v2/CiliumEnvoyConfig': ciliumEnvoyConfigView,
  'cilium.io/v2/CiliumClusterwideEnvoyConfig': ciliumClusterwideEnvoyConfigView,
} as const;

export function refOf(object: KubeObject): ObjectRef {
  return { kind: object.kind, namespace: object.metadata.namespace, name: object.metadata.name };
}
