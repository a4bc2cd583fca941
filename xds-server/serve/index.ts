export { type Published, type PublishedChange, SnapshotCache, type SnapshotCacheOptions } from './cache.ts';
export type { ClientStatus, TypeStatus } from './client-status.ts';
export { type Call, endCall } from './client-stream.ts';
export { XdsError, type XdsErrorCode } from './error.ts';
export {
  decodeFlowBatch,
  decodeTaken,
  encodeFlowBatch,
  encodeTaken,
  FLOWS_PATH,
  type FlowBatch,
  type ToldFlowEvent,
} from './flow-batch.ts';
export { encodeHoldings, HOLDINGS_PATH, type HoldingReport, type Holdings, type RefusedVersion } from './holding-report.ts';
export { type Lead, LedViews, type LedViewsOptions } from './led-views.ts';
export type { ListenAddress } from './listen.ts';
export { MutualTlsCredentials, type ServerIdentity } from './mutual-tls.ts';
export {
  HOLDINGS_METHODS,
  NodeHoldingReports,
  type NodeHoldingReportsOptions,
  NodeReports,
  type NodeReportsOptions,
  REPORT_METHODS,
  REPORT_PATH,
} from './node-reports.ts';
export { type Grant, NodeViews, type PlainGrant } from './node-views.ts';
export type { Outcome } from './outcome.ts';
export type { Identify, PeerRefusal } from './peer.ts';
export { type Refusal, readRefusal, writeRefusal } from './refusal.ts';
export { contentVersion, type Resource, type ResourceChange, type ResourceName } from './resource.ts';
export { featuresOf, type Role, readRequires } from './role.ts';
export { RpcServer, type RpcServerOptions, type StreamHandler } from './rpc-server.ts';
export { ALL_NODES, enforcementViews, rootsOfNode, ScopedViews, type ScopedViewsOptions } from './scoped-views.ts';
export { XdsServer, type XdsServerOptions } from './server.ts';
export { NODE_METHODS, NODE_PATH, type RpcMethod, STREAM_METHODS, type StreamMethod } from './services.ts';
export { type Interest, NO_INTEREST, type Standing } from './standing.ts';
export type { SyncedCondition } from './synced.ts';
export {
  ADDRESS_TYPE,
  CLUSTER_TYPE,
  CONFIG_SCOPE_TYPE,
  ENDPOINT_SLICE_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  IDENTITY_TYPE,
  LISTENER_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_SCOPE_TYPE,
  OWN_COPIES_PREFIX,
  OWN_LISTENER_PREFIX,
  REDIRECT_TYPE,
  REQUEST_LOG,
  ROUTES_TYPE,
  SCOPE_KEEPER,
  SCOPED_ROUTES_TYPE,
  SECRET_TYPE,
  SERVICE_TYPE,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
  traitsOf,
  XDS_CLUSTER,
} from './types.ts';
export { RootsView, type View, type Views } from './view.ts';
