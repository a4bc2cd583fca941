import type { ManifestObject } from '../../testkit/manifest-objects.ts';

interface Metadata {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An object with fields that only the API server knows. */
export function objectOf(
  apiVersion: string,
  kind: string,
  name: string,
  content: Readonly<Record<string, unknown>>,
  metadata: Metadata = {},
): ManifestObject {
  return { apiVersion, kind, metadata: { name, ...metadata }, ...content };
}

/** An Ingress of our class. */
export function ingressOf(name: string, spec: Readonly<Record<string, unknown>>, metadata: Metadata = {}): ManifestObject {
  return objectOf('networking.k8s.io/v1', 'Ingress', name, { spec: { ingressClassName: 'cilium', ...spec } }, metadata);
}

/** An IngressClass; those of ours are of the controller that Cilium's are. */
export function ingressClassOf(name: string, controller = 'cilium.io/ingress-controller', isDefault = false): ManifestObject {
  const annotations = isDefault ? { 'ingressclass.kubernetes.io/is-default-class': 'true' } : {};
  return objectOf('networking.k8s.io/v1', 'IngressClass', name, { spec: { controller } }, { annotations });
}
