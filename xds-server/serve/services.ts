import type { ServiceDefinition } from '@grpc/grpc-js';
import { DELTA_PROTOCOL, type Protocol, SOTW_PROTOCOL } from './protocol.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  SECRET_TYPE,
} from './types.ts';

/** A gRPC method whose messages stream both ways; `/package.Service/Method`. */
export interface RpcMethod {
  readonly path: string;
}

/** One gRPC method that serves a stream. */
export interface StreamMethod extends RpcMethod {
  readonly protocol: Protocol;
  /** The one type that it serves; undefined for the aggregated service, which serves all. */
  readonly typeUrl: string | undefined;
}

const SERVICES = [
  { service: 'envoy.service.discovery.v3.AggregatedDiscoveryService', methods: 'AggregatedResources', typeUrl: undefined },
  { service: 'envoy.service.listener.v3.ListenerDiscoveryService', methods: 'Listeners', typeUrl: LISTENER_TYPE },
  { service: 'envoy.service.route.v3.ScopedRoutesDiscoveryService', methods: 'ScopedRoutes', typeUrl: SCOPED_ROUTES_TYPE },
  { service: 'envoy.service.route.v3.RouteDiscoveryService', methods: 'Routes', typeUrl: ROUTES_TYPE },
  { service: 'envoy.service.cluster.v3.ClusterDiscoveryService', methods: 'Clusters', typeUrl: CLUSTER_TYPE },
  { service: 'envoy.service.endpoint.v3.EndpointDiscoveryService', methods: 'Endpoints', typeUrl: ENDPOINTS_TYPE },
  { service: 'envoy.service.secret.v3.SecretDiscoveryService', methods: 'Secrets', typeUrl: SECRET_TYPE },
  {
    service: 'envoy.service.extension.v3.ExtensionConfigDiscoveryService',
    methods: 'ExtensionConfigs',
    typeUrl: EXTENSION_CONFIG_TYPE,
  },
] as const;

/** The aggregated service and one for each type, in both variants of the protocol. Fetching without a stream is not served. */
export const STREAM_METHODS: readonly StreamMethod[] = SERVICES.flatMap(({ service, methods, typeUrl }) => [
  { path: `/${service}/Stream${methods}`, protocol: SOTW_PROTOCOL, typeUrl },
  { path: `/${service}/Delta${methods}`, protocol: DELTA_PROTOCOL, typeUrl },
]);

/** By which agents are told what is not for their Envoy. */
export const NODE_PATH = '/sluice.node.v1.NodeDiscoveryService/DeltaNodeResources';

export const NODE_METHODS: readonly StreamMethod[] = [{ path: NODE_PATH, protocol: DELTA_PROTOCOL, typeUrl: undefined }];

/**
 * The method as @grpc/grpc-js wants it. Messages pass as bytes: responses are encoded before, and what cannot be decoded
 * deserves a better status than that library gives.
 */
export function defineService({ path }: RpcMethod): ServiceDefinition {
  return {
    serve: {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: asBuffer,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: asBuffer,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
