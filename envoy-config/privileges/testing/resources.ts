import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { stepsOf } from '../../messages/path.ts';
import { findPrivileged } from '../find-privileged.ts';

export const TYPES = {
  listener: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

export type Kind = keyof typeof TYPES;

export function resource(kind: Kind, json: JsonObject): ReflectMessage {
  const registry = envoyRegistry();
  const schema = registry.getMessage(TYPES[kind]);
  if (!schema) throw new Error(`the registry has no ${TYPES[kind]}`);
  return reflect(schema, fromJson(schema, json, { registry }));
}

/** What is found, as `what @ path`. */
export function foundIn(message: ReflectMessage, allowed: Iterable<string> = []): string[] {
  return findPrivileged(message, envoyRegistry(), new Set(allowed)).map(({ what, path }) => `${what} @ ${stepsOf(path).join('.')}`);
}

/** @param type full name; `e.` stands for `envoy.extensions.` */
export function any(type: string, fields: JsonObject = {}): JsonObject {
  return { '@type': `type.googleapis.com/${type.replace(/^e\./, 'envoy.extensions.')}`, ...fields };
}

export function named(type: string, fields: JsonObject = {}): JsonObject {
  return { name: 'x', typedConfig: any(type, fields) };
}

const ROUTER = named('e.filters.http.router.v3.Router');
export const HCM = 'e.filters.network.http_connection_manager.v3.HttpConnectionManager';

export function withFilters(...filters: JsonValue[]): JsonObject {
  return { name: 'l', filterChains: [{ filters }] };
}

export function withHttp(fields: JsonObject, ...httpFilters: JsonValue[]): JsonObject {
  return withFilters(named(HCM, { statPrefix: 'x', ...fields, httpFilters: [...httpFilters, ROUTER] }));
}

/** A listener with one route. */
export function withRoute(route: JsonObject): JsonObject {
  return withHttp({ routeConfig: { virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }] } });
}

export function withEndpoint(endpoint: JsonObject): JsonObject {
  return { clusterName: 'c', endpoints: [{ lbEndpoints: [{ endpoint }] }] };
}

export function socket(address: string): JsonObject {
  return { socketAddress: { address, portValue: 80 } };
}
