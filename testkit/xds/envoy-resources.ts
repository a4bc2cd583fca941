import { hash } from 'node:crypto';
import { type DescMessage, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { ScopedRouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/scoped_route_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, type Resource, type ResourceName, ROUTES_TYPE } from '../../xds-server/serve/index.ts';

const FROM_ADS = { ads: {}, resourceApiVersion: 'V3' };
const HTTP = 'type.googleapis.com/envoy.extensions.filters';

function resource(schema: DescMessage, name: string, message: JsonObject, requires: readonly ResourceName[] = []): Resource {
  const body = toBinary(schema, fromJson(schema, message, { registry: envoyRegistry() }));
  return { typeUrl: `type.googleapis.com/${schema.typeName}`, name, version: hash('sha256', body), body, requires };
}

/** A cluster whose endpoints have its name. */
export function envoyCluster(name: string, fields: JsonObject = {}): Resource {
  const message = { name, type: 'EDS', edsClusterConfig: { edsConfig: FROM_ADS }, connectTimeout: '5s', ...fields };
  return resource(ClusterSchema, name, message, [{ typeUrl: ENDPOINTS_TYPE, name }]);
}

/** One endpoint on 127.0.0.1. */
export function envoyEndpoints(name: string, port: number): Resource {
  const lbEndpoints = [{ endpoint: { address: socketAddress(port) } }];
  return resource(ClusterLoadAssignmentSchema, name, { clusterName: name, endpoints: [{ lbEndpoints }] });
}

/** All requests to one cluster. */
export function envoyRoutes(name: string, cluster: string, domains: string[] = ['*']): Resource {
  const routes = [{ match: { prefix: '/' }, route: { cluster } }];
  return resource(RouteConfigurationSchema, name, { name, virtualHosts: [{ name: 'all', domains, routes }] }, [
    { typeUrl: CLUSTER_TYPE, name: cluster },
  ]);
}

/** Requests with the header `x-shard: KEY` are routed by these routes. */
export function envoyScope(name: string, key: string, routes: string): Resource {
  const message = { name, routeConfigurationName: routes, key: { fragments: [{ stringKey: key }] } };
  return resource(ScopedRouteConfigurationSchema, name, message, [{ typeUrl: ROUTES_TYPE, name: routes }]);
}

/** HTTP on a port of 127.0.0.1, routed by all scopes. */
export function envoyListener(name: string, port: number, statPrefix = 'test'): Resource {
  const scopedRoutes = {
    name: 'scopes',
    scopeKeyBuilder: { fragments: [{ headerValueExtractor: { name: 'x-shard', index: 0 } }] },
    rdsConfigSource: FROM_ADS,
    scopedRds: { scopedRdsConfigSource: FROM_ADS },
  };
  const router = { name: 'router', typedConfig: { '@type': `${HTTP}.http.router.v3.Router` } };
  const manager = {
    '@type': `${HTTP}.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix,
    scopedRoutes,
    httpFilters: [router],
  };
  const filters = [{ name: 'http', typedConfig: manager }];
  return resource(ListenerSchema, name, { name, address: socketAddress(port), filterChains: [{ filters }] });
}

function socketAddress(portValue: number): JsonObject {
  return { socketAddress: { address: '127.0.0.1', portValue } };
}
