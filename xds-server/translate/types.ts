import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { ScopedRouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/scoped_route_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { typeUrlOf } from './encode.ts';

export const LISTENER = typeUrlOf(ListenerSchema);
export const CLUSTER = typeUrlOf(ClusterSchema);
export const ENDPOINTS = typeUrlOf(ClusterLoadAssignmentSchema);
export const ROUTES = typeUrlOf(RouteConfigurationSchema);
export const SCOPED_ROUTES = typeUrlOf(ScopedRouteConfigurationSchema);
export const SECRET = typeUrlOf(SecretSchema);
