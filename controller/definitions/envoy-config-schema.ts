import { SELECTOR } from './selector-schema.ts';
import { ANYTHING, listOf, mapping, type Structural } from './structural-schema.ts';

const NAME: Structural = { type: 'string', minLength: 1 };
const NAMESPACE: Structural = {
  type: 'string',
  description: "Default: the object's own; of an object of no namespace `default`.",
};

const SERVICES = listOf(
  mapping(
    {
      name: NAME,
      namespace: NAMESPACE,
      ports: listOf(
        { type: 'integer', format: 'int32', minimum: 1, maximum: 65_535 },
        { description: 'Ports of TCP, by their numbers. Default: all.' },
      ),
      listener: { type: 'string', description: 'One of the resources. Default: the first listener among them.' },
    },
    { required: ['name'] },
  ),
  { description: 'Services of which what is asked goes to a listener. Their endpoints are there for clusters, too.' },
);

const BACKENDS = listOf(
  mapping(
    {
      name: NAME,
      namespace: NAMESPACE,
      number: listOf(NAME, { description: 'Ports, by their numbers or names. Default: all.' }),
    },
    { required: ['name'] },
  ),
  {
    description:
      'Services whose endpoints are there for clusters that ask for `namespace/name`, `namespace/name:*` or `namespace/name:port`.',
  },
);

/** What is in a message of Envoy only its descriptors say, so whoever serves it judges it. */
const RESOURCES = listOf(mapping({}), {
  description: 'Listeners, routes, clusters, endpoints and secrets of Envoy, in the JSON of Protocol Buffers, with their @type.',
});

/** A CiliumEnvoyConfig's, as Cilium publishes it. @see https://docs.cilium.io/en/stable/network/servicemesh/envoy-custom-resources/ */
export const ENVOY_CONFIG: Structural = mapping({
  services: SERVICES,
  backendServices: BACKENDS,
  resources: RESOURCES,
  nodeSelector: { ...SELECTOR, description: 'The nodes that have it. Default: all.' },
});

const COUNT: Structural = { type: 'integer', format: 'int32', minimum: 0 };
const GENERATION: Structural = { type: 'integer', format: 'int64', minimum: 0 };

const CONDITION: Structural = {
  type: 'object',
  required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
  properties: {
    type: { type: 'string', maxLength: 316 },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    observedGeneration: GENERATION,
    lastTransitionTime: { type: 'string', format: 'date-time' },
    reason: { type: 'string', minLength: 1, maxLength: 1024 },
    message: { type: 'string', maxLength: 32_768 },
  },
};

/** Which Cilium's definition has none of. */
export const ENVOY_CONFIG_STATUS: Structural = {
  type: 'object',
  properties: {
    conditions: listOf(CONDITION, { maxItems: 8, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
    nodes: {
      type: 'object',
      description: 'How many nodes are to have it, and how many have.',
      properties: { programmed: COUNT, total: COUNT },
    },
    lastAccepted: {
      type: 'object',
      description: 'What it said when it was right, which is in force while it is not.',
      properties: { generation: GENERATION, spec: { type: 'object', ...ANYTHING } },
      // Else who has written which field of it would take as much room again.
      'x-kubernetes-map-type': 'atomic',
    },
  },
};
