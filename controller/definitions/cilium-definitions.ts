import type { Manifest } from '../../kube/index.ts';
import { RULE_SET } from './policy-schema.ts';
import { listOf, mapping, type Structural } from './structural-schema.ts';

/** Where an API server has definitions. */
export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
/** By which Cilium knows whether a definition is older than its own, and is to be replaced by that. */
export const SCHEMA_VERSION_LABEL = 'io.cilium.k8s.crd.schema.version';
/** Of the definitions of Cilium whose fields these have. */
const SCHEMA_VERSION = '1.33.0';
const GROUP = 'cilium.io';

const LABELS = {
  'app.kubernetes.io/name': 'sluice',
  'app.kubernetes.io/part-of': 'sluice',
  [SCHEMA_VERSION_LABEL]: SCHEMA_VERSION,
} as const;

const VALID = { name: 'Valid', type: 'string', jsonPath: `.status.conditions[?(@.type=='Valid')].status` };
const AGE = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** As Cilium's operator writes it: a condition has no `observedGeneration` there. */
const STATUS = mapping({
  conditions: listOf(
    {
      type: 'object',
      required: ['type', 'status'],
      properties: {
        type: { type: 'string' },
        status: { type: 'string' },
        lastTransitionTime: { type: 'string', format: 'date-time' },
        reason: { type: 'string' },
        message: { type: 'string' },
      },
    },
    { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
  ),
});

interface Names {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
}

/**
 * The kinds of Cilium by which policies are written, to be made where they are absent: docs/decisions/crds.md. They take what Cilium's take and
 * refuse what no rule can mean. Fields that nothing here enforces yet are kept, so that who reads them can tell of them.
 */
export const CILIUM_DEFINITIONS: readonly Manifest[] = [
  definition('Namespaced', {
    kind: 'CiliumNetworkPolicy',
    plural: 'ciliumnetworkpolicies',
    singular: 'ciliumnetworkpolicy',
    shortNames: ['cnp', 'ciliumnp'],
  }),
  definition('Cluster', {
    kind: 'CiliumClusterwideNetworkPolicy',
    plural: 'ciliumclusterwidenetworkpolicies',
    singular: 'ciliumclusterwidenetworkpolicy',
    shortNames: ['ccnp'],
  }),
];

function definition(scope: 'Namespaced' | 'Cluster', names: Names): Manifest {
  const version = {
    name: 'v2',
    served: true,
    storage: true,
    additionalPrinterColumns: [AGE, VALID],
    schema: { openAPIV3Schema: schema() },
    subresources: { status: {} },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${GROUP}`, labels: LABELS },
    spec: {
      group: GROUP,
      names: { ...names, listKind: `${names.kind}List`, categories: ['cilium', 'ciliumpolicy'] },
      scope,
      versions: [version],
    },
  };
}

function schema(): Structural {
  return {
    type: 'object',
    required: ['metadata'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: RULE_SET,
      specs: listOf(RULE_SET),
      status: STATUS,
    },
    'x-kubernetes-validations': [{ rule: 'has(self.spec) || has(self.specs)', message: 'spec or specs must be provided' }],
  };
}
