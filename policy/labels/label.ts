/**
 * What a label is about and who gave it: `k8s:app=web`, `reserved:host`. Cilium's form, which its users write in selectors.
 * @see https://docs.cilium.io/en/stable/internals/security-identities/
 */
export interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

/** Labels of one source, or of any: what selectors ask for. */
export interface LabelKey {
  readonly source: string;
  readonly key: string;
}

export const KUBERNETES = 'k8s';
export const RESERVED = 'reserved';
/** Of addresses: the key is the prefix. */
export const CIDR = 'cidr';
/** Of selectors only: whatever the source. */
export const ANY_SOURCE = 'any';

/** Labels that Cilium derives of a pod, beside its own. */
export const NAMESPACE_KEY = 'io.kubernetes.pod.namespace';
export const NAMESPACE_LABELS_PREFIX = 'io.cilium.k8s.namespace.labels.';
export const CLUSTER_KEY = 'io.cilium.k8s.policy.cluster';
export const SERVICE_ACCOUNT_KEY = 'io.cilium.k8s.policy.serviceaccount';

const SOURCES: ReadonlySet<string> = new Set([
  'k8s',
  'reserved',
  'cidr',
  'fqdn',
  'unspec',
  'any',
  'container',
  'mesos',
  'cilium-generated',
]);

/** `any:app`, `app` (of any source), `k8s:app`. What stands before the first colon is part of the key unless it is a source. */
export function parseLabelKey(text: string): LabelKey {
  const colon = text.indexOf(':');
  const source = text.slice(0, Math.max(colon, 0));
  return SOURCES.has(source) ? { source, key: text.slice(colon + 1) } : { source: ANY_SOURCE, key: text };
}

/** `k8s:app=web`; without `=` the value is empty. A label without source is Kubernetes' own. */
export function parseLabel(text: string): Label {
  const equals = text.indexOf('=');
  const { source, key } = parseLabelKey(equals < 0 ? text : text.slice(0, equals));
  return { source: source === ANY_SOURCE ? KUBERNETES : source, key, value: equals < 0 ? '' : text.slice(equals + 1) };
}

/** `k8s:app=web`, `reserved:host`, `cidr:10.0.0.0/8`: those of Kubernetes always have a value, be it empty. */
export function formatLabel({ source, key, value }: Label): string {
  return source === KUBERNETES || value !== '' ? `${source}:${key}=${value}` : `${source}:${key}`;
}
