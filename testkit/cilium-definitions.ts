/** A pod of an enforcer, which nobody runs: the leader makes definitions once one is ready. */
export const ENFORCER_POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'sluice-enforcer-1',
    namespace: 'sluice-system',
    labels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'enforcer' },
  },
  spec: { containers: [{ name: 'enforcer', image: 'none' }] },
};

interface OthersDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly subresources?: object;
}

/** The definition that somebody else has made of one of Cilium's kinds of no namespace. Its objects have no conditions. */
export function othersDefinition({ kind, plural, singular, shortNames, labels, subresources }: OthersDefinition) {
  const spec = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.cilium.io`, ...(labels && { labels }) },
    spec: {
      group: 'cilium.io',
      names: { kind, listKind: `${kind}List`, plural, singular, ...(shortNames && { shortNames }) },
      scope: 'Cluster',
      versions: [{ name: 'v2', served: true, storage: true, schema, ...(subresources && { subresources }) }],
    },
  };
}
