import type { Pod } from '../../kube/index.ts';
import { CLUSTER_KEY, KUBERNETES, type Label, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX, SERVICE_ACCOUNT_KEY } from '../labels/label.ts';
import type { LabelFilter } from '../labels/label-filter.ts';

/** Set by the API server on every Namespace: https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name */
const NAME_LABEL = 'kubernetes.io/metadata.name';

export interface PodLabels {
  /** Those that make its identity. */
  readonly identity: readonly Label[];
  /** Those that the filter leaves out. */
  readonly others: readonly Label[];
}

/**
 * The labels of a pod, with those that Cilium derives: its namespace and the labels of that, its service account and its cluster.
 * @param namespace the labels of its Namespace
 */
export function podLabels(
  { metadata, spec }: Pod,
  namespace: Readonly<Record<string, string>>,
  cluster: string,
  filter: LabelFilter,
): PodLabels {
  const namespaceLabels = { ...namespace, [NAME_LABEL]: metadata.namespace };
  const derived: [string, string][] = [
    [NAMESPACE_KEY, metadata.namespace],
    [CLUSTER_KEY, cluster],
    [SERVICE_ACCOUNT_KEY, spec.serviceAccountName ?? 'default'],
    ...Object.entries(namespaceLabels).map(([key, value]): [string, string] => [NAMESPACE_LABELS_PREFIX + key, value]),
  ];
  // Whoever may label a pod must not be able to put it into another namespace.
  const own = Object.entries(metadata.labels).filter(([key]) => !isDerived(key));
  const all = [...own, ...derived].map(([key, value]): Label => ({ source: KUBERNETES, key, value }));
  return {
    identity: all.filter(({ source, key }) => filter.includes(source, key)),
    others: all.filter(({ source, key }) => !filter.includes(source, key)),
  };
}

function isDerived(key: string): boolean {
  return key === NAMESPACE_KEY || key.startsWith('io.cilium.k8s.');
}
