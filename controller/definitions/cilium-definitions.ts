import type { Manifest } from '../../kube/index.ts';
import { ENVOY_CONFIG, ENVOY_CONFIG_STATUS } from './envoy-config-schema.ts';
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

const VALID = column('Valid', 'string', conditionPath('Valid'));
const AGE = column('Age', 'date', '.metadata.creationTimestamp');

/** As Cilium's operator writes it: a condition has no `observedGeneration` there. */
const POLICY_STATUS = mapping({
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

/** What a definition says of its objects. */
interface Contents {
  readonly columns: readonly object[];
  readonly schema: Structural;
  /** Beside `cilium`. */
  readonly categories: readonly string[];
}

const POLICIES: Contents = {
  columns: [AGE, VALID],
  schema: objectOf(
    { spec: RULE_SET, specs: listOf(RULE_SET), status: POLICY_STATUS },
    { 'x-kubernetes-validations': [{ rule: 'has(self.spec) || has(self.specs)', message: 'spec or specs must be provided' }] },
  ),
  categories: ['ciliumpolicy'],
};

const ENVOY_CONFIGS: Contents = {
  columns: [
    column('Accepted', 'string', conditionPath('Accepted')),
    column('Programmed', 'string', conditionPath('Programmed')),
    column('Nodes', 'integer', '.status.nodes.programmed'),
    AGE,
  ],
  schema: objectOf({ spec: ENVOY_CONFIG, status: ENVOY_CONFIG_STATUS }),
  categories: [],
};

/**
 * The kinds of Cilium by which policies are written, and Envoy's own resources, to be made where they are absent: docs/decisions/crds.md. They
 * take what Cilium's take and refuse what nothing can mean. Fields that nothing here enforces yet are kept, so that who reads them can tell of them.
 */
export const CILIUM_DEFINITIONS: readonly Manifest[] = [
  definition('Namespaced', POLICIES, {
    kind: 'CiliumNetworkPolicy',
    plural: 'ciliumnetworkpolicies',
    singular: 'ciliumnetworkpolicy',
    shortNames: ['cnp', 'ciliumnp'],
  }),
  definition('Cluster', POLICIES, {
    kind: 'CiliumClusterwideNetworkPolicy',
    plural: 'ciliumclusterwidenetworkpolicies',
    singular: 'ciliumclusterwidenetworkpolicy',
    shortNames: ['ccnp'],
  }),
  definition('Namespaced', ENVOY_CONFIGS, {
    kind: 'CiliumEnvoyConfig',
    plural: 'ciliumenvoyconfigs',
    singular: 'ciliumenvoyconfig',
    shortNames: ['cec'],
  }),
  definition('Cluster', ENVOY_CONFIGS, {
    kind: 'CiliumClusterwideEnvoyConfig',
    plural: 'ciliumclusterwideenvoyconfigs',
    singular: 'ciliumclusterwideenvoyconfig',
    shortNames: ['ccec'],
  }),
];

function definition(scope: 'Namespaced' | 'Cluster', { columns, schema, categories }: Contents, names: Names): Manifest {
  const version = {
    name: 'v2',
    served: true,
    storage: true,
    additionalPrinterColumns: columns,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {} },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${GROUP}`, labels: LABELS },
    spec: {
      group: GROUP,
      names: { ...names, listKind: `${names.kind}List`, categories: ['cilium', ...categories] },
      scope,
      versions: [version],
    },
  };
}

function objectOf(fields: Structural, more: Structural = {}): Structural {
  return {
    type: 'object',
    required: ['metadata'],
    properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' }, ...fields },
    ...more,
  };
}

function column(name: string, type: string, jsonPath: string): object {
  return { name, type, jsonPath };
}

function conditionPath(type: string): string {
  return `.status.conditions[?(@.type=='${type}')].status`;
}
