import { type FileRegistry, isMessage, type Message } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Listener } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import {
  RouteAction_HashPolicySchema,
  RouteActionSchema,
  RouteSchema,
  VirtualHostSchema,
  WeightedCluster_ClusterWeightSchema,
  WeightedClusterSchema,
} from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
} from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { chainsOf, managerOf } from './filter-chains.ts';
import { below, type Path } from './messages/path.ts';
import { isReflected } from './messages/walk-message.ts';

/**
 * Fields by which nothing is made of a request after it was routed. All others are taken to, so that a new one is no way around rules: paths, hosts and
 * headers that routes write, and requests that they send elsewhere by themselves.
 */
const KEEPS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  keeps(
    HttpConnectionManagerSchema.typeName,
    ...['codec_type', 'stat_prefix', 'rds', 'route_config', 'http_filters', 'common_http_protocol_options', 'http_protocol_options'],
    ...['http2_protocol_options', 'server_name', 'server_header_transformation', 'max_request_headers_kb', 'stream_idle_timeout'],
    ...['request_timeout', 'request_headers_timeout', 'drain_timeout', 'delayed_close_timeout', 'access_log', 'use_remote_address'],
    ...['xff_num_trusted_hops', 'skip_xff_append', 'generate_request_id', 'preserve_external_request_id', 'upgrade_configs'],
    ...['always_set_request_id_in_response', 'normalize_path', 'merge_slashes', 'path_with_escaped_slashes_action', 'local_reply_config'],
    ...['strip_any_host_port', 'strip_matching_host_port', 'strip_trailing_host_dot', 'proxy_100_continue'],
  ),
  keeps(
    RouteConfigurationSchema.typeName,
    ...['name', 'virtual_hosts', 'validate_clusters', 'response_headers_to_add', 'response_headers_to_remove'],
    ...['max_direct_response_body_size_bytes', 'ignore_port_in_host_matching', 'ignore_path_parameters_in_path_matching'],
  ),
  keeps(
    VirtualHostSchema.typeName,
    ...['name', 'domains', 'routes', 'require_tls', 'response_headers_to_add', 'response_headers_to_remove', 'retry_policy'],
  ),
  keeps(
    RouteSchema.typeName,
    ...['name', 'match', 'route', 'redirect', 'direct_response', 'metadata', 'response_headers_to_add', 'response_headers_to_remove'],
  ),
  keeps(
    RouteActionSchema.typeName,
    ...['cluster', 'weighted_clusters', 'cluster_not_found_response_code', 'metadata_match', 'timeout', 'idle_timeout', 'retry_policy'],
    ...['hash_policy', 'max_stream_duration', 'priority'],
  ),
  keeps(RouteAction_HashPolicySchema.typeName, 'header', 'connection_properties', 'query_parameter', 'terminal'),
  keeps(WeightedClusterSchema.typeName, 'clusters', 'total_weight', 'runtime_key_prefix'),
  keeps(
    WeightedCluster_ClusterWeightSchema.typeName,
    ...['name', 'weight', 'metadata_match', 'response_headers_to_add', 'response_headers_to_remove'],
  ),
]);

/** Filters that are done with a request once it has gone by them. */
const PASSING: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.http.cors.v3.Cors',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
]);

/** A field for which what is sent may be something else than what was asked. */
export interface NotKept {
  /** The full name of the routes that it stands in; absent where that is the listener itself. */
  readonly routes?: string;
  readonly path: Path;
}

/**
 * Why a listener may send requests on otherwise than they come to the last of its filters, or something else than requests. Where there is nothing of that,
 * what was asked of them there holds for what clusters get.
 * @param routes the routes of its config, by their names
 */
export function* notSentAsAsked(listener: Listener, routes: ReadonlyMap<string, RouteConfiguration>): Generator<NotKept> {
  for (const [{ filters }, at] of chainsOf(listener)) {
    const list = below(at, 'filters');
    const [first] = filters;
    const manager = first && managerOf(first);
    if (!first) yield { path: list };
    else if (!manager) yield { path: below(list, 0) };
    else yield* notKeptBy(manager, below(below(list, 0), 'typedConfig'), routes);
    if (filters.length > 1) yield { path: below(list, 1) };
  }
}

function* notKeptBy(manager: HttpConnectionManager, at: Path, routes: ReadonlyMap<string, RouteConfiguration>): Generator<NotKept> {
  const { routeSpecifier, httpFilters, upgradeConfigs } = manager;
  const registry = envoyRegistry();
  for (const path of fieldsNotKept(manager, at, registry)) yield { path };
  if (routeSpecifier.case === 'rds') {
    const name = routeSpecifier.value.routeConfigName;
    const found = routes.get(name);
    if (!found) yield { path: below(at, 'rds') };
    else for (const path of fieldsNotKept(found, undefined, registry)) yield { routes: name, path };
  } else if (routeSpecifier.case !== 'routeConfig') yield { path: at };
  for (const [index, filter] of httpFilters.entries())
    if (!isPassing(filter, index === httpFilters.length - 1)) yield { path: below(below(at, 'httpFilters'), index) };
  for (const [index, { filters }] of upgradeConfigs.entries())
    if (filters.length > 0) yield { path: below(below(below(at, 'upgradeConfigs'), index), 'filters') };
}

function isPassing({ configType }: HttpFilter, isLast: boolean): boolean {
  if (configType.case !== 'typedConfig') return false;
  if (!isLast) return PASSING.has(configType.value.typeUrl.slice(configType.value.typeUrl.lastIndexOf('/') + 1));
  return anyUnpack(configType.value, RouterSchema)?.upstreamHttpFilters.length === 0;
}

/** Looks into those parts that are listed. */
function fieldsNotKept(message: Message, at: Path, registry: FileRegistry): Iterable<Path> {
  const desc = registry.getMessage(message.$typeName);
  return desc ? notKeptIn(reflect(desc, message), at) : [at];
}

function* notKeptIn(message: ReflectMessage, at: Path): Generator<Path> {
  const kept = KEEPS.get(message.desc.typeName);
  if (!kept) return;
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const path = below(at, field.jsonName);
    if (!kept.has(field.name)) yield path;
    else if (field.fieldKind === 'message') yield* notKeptIn(message.get(field), path);
    else if (field.fieldKind === 'list')
      for (const [index, each] of [...message.get(field)].entries()) if (isReflected(each)) yield* notKeptIn(each, below(path, index));
  }
}

function keeps(typeName: string, ...fields: readonly string[]): [string, ReadonlySet<string>] {
  return [typeName, new Set(fields)];
}

/** By their full names. */
export function routesIn(messages: Iterable<Message>): ReadonlyMap<string, RouteConfiguration> {
  const found = new Map<string, RouteConfiguration>();
  for (const message of messages) if (isMessage(message, RouteConfigurationSchema)) found.set(message.name, message);
  return found;
}
