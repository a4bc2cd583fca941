import type { ResourceName } from './resource.ts';

export const LISTENER_TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener';
export const SCOPED_ROUTES_TYPE = 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration';
export const ROUTES_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
export const EXTENSION_CONFIG_TYPE = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
export const CLUSTER_TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const ENDPOINTS_TYPE = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
export const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
/** What agents are told beside their Envoy: see the messages in `xds-server/proto/sluice/node/v1`. */
export const ADDRESS_TYPE = 'type.googleapis.com/sluice.node.v1.Address';
export const IDENTITY_TYPE = 'type.googleapis.com/sluice.node.v1.Identity';
export const NODE_ENDPOINTS_TYPE = 'type.googleapis.com/sluice.node.v1.NodeEndpoints';
export const SUBJECT_POLICY_TYPE = 'type.googleapis.com/sluice.node.v1.SubjectPolicy';
export const SLOT_TYPE = 'type.googleapis.com/sluice.node.v1.Slot';
export const REDIRECT_TYPE = 'type.googleapis.com/sluice.node.v1.Redirect';
export const SERVICE_TYPE = 'type.googleapis.com/sluice.node.v1.Service';
export const ENDPOINT_SLICE_TYPE = 'type.googleapis.com/sluice.node.v1.EndpointSlice';
/** What nodes have of CiliumEnvoyConfigs. It is told to nobody; views are made of it. */
export const CONFIG_SCOPE_TYPE = 'type.googleapis.com/sluice.node.v1.ConfigScope';

/** Which of these a node has. The same holds for it. */
export const NODE_SCOPE_TYPE = 'type.googleapis.com/sluice.node.v1.NodeScope';

/** How Envoys name the cluster of whoever serves them configuration: the one that is not delivered. */
export const XDS_CLUSTER = 'sluice-xds';

/** What Envoys call the log in which they tell whoever serves them of each request and connection. */
export const REQUEST_LOG = 'sluice.requests';

/** What the names of listeners begin with that a node makes for itself; no other listener is called so. */
export const OWN_LISTENER_PREFIX = 'sluice.slot/';
/** By which nodes tell, with the slot of a listener, that copies of it are refused. */
export const OWN_COPIES_PREFIX = 'sluice.copies/';

/** The listener that listens nowhere and keeps scopes of routes loaded. No listener of an Ingress is called this. */
export const SCOPE_KEEPER = 'sluice.scopes';

interface TypeTraits {
  /** Upserts of a lower rank go first. */
  readonly rank: number;
  /** A resource may require only what lies deeper, so that removals, which go from the surface down, never wait in a circle. */
  readonly depth: number;
  /** Asking for no names at all means asking for all; and in the state of the world, what a response leaves out is gone. */
  readonly collection: boolean;
}

const TRAITS: ReadonlyMap<string, TypeTraits> = new Map([
  [CLUSTER_TYPE, { rank: 0, depth: 5, collection: true }],
  [ENDPOINTS_TYPE, { rank: 1, depth: 6, collection: false }],
  [SECRET_TYPE, { rank: 1, depth: 6, collection: false }],
  [LISTENER_TYPE, { rank: 2, depth: 1, collection: true }],
  [SCOPED_ROUTES_TYPE, { rank: 3, depth: 2, collection: true }],
  [ROUTES_TYPE, { rank: 4, depth: 3, collection: false }],
  [EXTENSION_CONFIG_TYPE, { rank: 4, depth: 4, collection: false }],
  [SLOT_TYPE, { rank: 0, depth: 3, collection: true }],
  [REDIRECT_TYPE, { rank: 0, depth: 3, collection: true }],
  [SUBJECT_POLICY_TYPE, { rank: 1, depth: 2, collection: true }],
  [IDENTITY_TYPE, { rank: 0, depth: 2, collection: true }],
  [ENDPOINT_SLICE_TYPE, { rank: 0, depth: 3, collection: true }],
  // Slots are no deeper: who sees a scope sees them by a view that all have in common, see `enforcementViews`.
  [CONFIG_SCOPE_TYPE, { rank: 1, depth: 3, collection: true }],
  [NODE_SCOPE_TYPE, { rank: 2, depth: 1, collection: true }],
  [ADDRESS_TYPE, { rank: 2, depth: 2, collection: true }],
  [SERVICE_TYPE, { rank: 1, depth: 2, collection: true }],
  [NODE_ENDPOINTS_TYPE, { rank: 3, depth: 1, collection: true }],
]);

/** A type that this server has no opinion on: it is served after all others and may require any of them. */
const OTHER: TypeTraits = { rank: 5, depth: 0, collection: false };

export function traitsOf(typeUrl: string): TypeTraits {
  return TRAITS.get(typeUrl) ?? OTHER;
}

/**
 * Whether a client must have the required resource before the one that requires it. The rest follows: a client asks for a
 * cluster's endpoints or a listener's routes once it has the cluster or listener.
 */
export function precedes(required: ResourceName, requirer: string): boolean {
  return traitsOf(required.typeUrl).rank < traitsOf(requirer).rank;
}

export function mayRequire(requirer: string, required: string): boolean {
  return traitsOf(requirer).depth < traitsOf(required).depth;
}

/** The short names that people use, for messages. */
export function nameOfType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
