import {
  ADDRESS_TYPE,
  CLUSTER_TYPE,
  ENDPOINT_SLICE_TYPE,
  IDENTITY_TYPE,
  LISTENER_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_METHODS,
  NODE_PATH,
  OWN_LISTENER_PREFIX,
  REDIRECT_TYPE,
  type ResourceName,
  SCOPED_ROUTES_TYPE,
  SERVICE_TYPE,
  SLOT_TYPE,
  STREAM_METHODS,
  type StreamMethod,
  SUBJECT_POLICY_TYPE,
} from '../serve/index.ts';

/** Who asks a relay, and for what. */
export interface ClientKind {
  /** By which it asks. */
  readonly methods: readonly StreamMethod[];
  /** By which the relay asks controllers, in the delta variant. */
  readonly path: string;
  /** Types that it asks for as a whole, whenever there is anything of them. */
  readonly whole: readonly string[];
  /** Those of them that controllers are asked for even before it asks. */
  readonly always: readonly string[];
  /** What it asks for last; it may be about to ask for more before. Undefined where it asks for everything at once. */
  readonly last: string | undefined;
  /** Whether a resource is made on the node: no controller is asked for it, told of it, or believed about it. */
  readonly isOwn: (name: ResourceName) => boolean;
}

/** Asks for listeners, and then for their routes, only when all its clusters are ready. */
export const ENVOY: ClientKind = {
  methods: STREAM_METHODS,
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  whole: [CLUSTER_TYPE, LISTENER_TYPE, SCOPED_ROUTES_TYPE],
  always: [CLUSTER_TYPE, LISTENER_TYPE],
  last: LISTENER_TYPE,
  isOwn: ({ typeUrl, name }) => typeUrl === LISTENER_TYPE && name.startsWith(OWN_LISTENER_PREFIX),
};

/** All that policy is enforced and Services are translated by, in the order in which it is taken in. */
export const ENFORCEMENT_TYPES: readonly string[] = [
  REDIRECT_TYPE,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
  IDENTITY_TYPE,
  ADDRESS_TYPE,
  ENDPOINT_SLICE_TYPE,
  SERVICE_TYPE,
  NODE_ENDPOINTS_TYPE,
];

/** Has policy enforced by the kernel of the node. */
export const ENFORCER: ClientKind = {
  methods: NODE_METHODS,
  path: NODE_PATH,
  whole: ENFORCEMENT_TYPES,
  always: ENFORCEMENT_TYPES.filter((typeUrl) => typeUrl !== REDIRECT_TYPE),
  last: undefined,
  isOwn: ({ typeUrl }) => typeUrl === REDIRECT_TYPE,
};
