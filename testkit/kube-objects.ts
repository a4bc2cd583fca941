import type { CiliumEnvoyConfig, EndpointSlice, Ingress, IngressClass, Secret, Service } from '../kube/index.ts';
import { VIEWS } from '../kube/object.ts';

/** Metadata as a manifest has it; the namespace is `default` unless it says otherwise. */
export interface MetadataInput {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly object[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Each of these reads a manifest through the same view as the real thing, and throws if the view refuses it. */
export function ingressObject(spec: unknown, metadata: MetadataInput = {}, status?: unknown): Ingress {
  const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' };
  return VIEWS['networking.k8s.io/v1/Ingress'].parse({ ...kind, metadata: { name: 'web', ...metadata }, spec, status });
}

export function ingressClassObject(name: string, controller: string | undefined, metadata: MetadataInput = {}): IngressClass {
  const kind = { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass' };
  return VIEWS['networking.k8s.io/v1/IngressClass'].parse({ ...kind, metadata: { ...metadata, name }, spec: { controller } });
}

export function serviceObject(spec: unknown, metadata: MetadataInput = {}, status?: unknown): Service {
  return VIEWS['v1/Service'].parse({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', ...metadata }, spec, status });
}

export function endpointSliceObject(content: Readonly<Record<string, unknown>>, metadata: MetadataInput = {}): EndpointSlice {
  const kind = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' };
  return VIEWS['discovery.k8s.io/v1/EndpointSlice'].parse({ ...kind, metadata: { name: 'web-1', ...metadata }, ...content });
}

export function secretObject(
  stringData: Readonly<Record<string, string>>,
  type = 'kubernetes.io/tls',
  metadata: MetadataInput = {},
): Secret {
  return VIEWS['v1/Secret'].parse({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web-tls', ...metadata }, type, stringData });
}

/** @param namespaced otherwise it is one of no namespace */
export function envoyConfigObject(spec: unknown, metadata: MetadataInput = {}, namespaced = true, status?: unknown): CiliumEnvoyConfig {
  const content = { apiVersion: 'cilium.io/v2', metadata: { name: 'web', ...metadata }, spec, status };
  return namespaced
    ? VIEWS['cilium.io/v2/CiliumEnvoyConfig'].parse({ ...content, kind: 'CiliumEnvoyConfig' })
    : VIEWS['cilium.io/v2/CiliumClusterwideEnvoyConfig'].parse({ ...content, kind: 'CiliumClusterwideEnvoyConfig' });
}
