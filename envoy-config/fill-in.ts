import { create, isMessage, type Message } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { CircuitBreakersSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_EdsClusterConfigSchema,
  ClusterSchema,
} from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { BindConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { type ConfigSource, ConfigSourceSchema } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';
import { type ListenerFilter, ListenerFilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, Listener_ConnectionBalanceConfigSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RedisClusterConfigSchema } from '@sluice/envoy-protos/envoy/extensions/clusters/redis/v3/redis_cluster_pb.js';
import { OriginalSrcSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { RdsSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SdsSecretConfigSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { UPSTREAM_PORTS } from '../model/index.ts';
import { NO_CIRCUIT_BREAKING } from '../xds-server/translate/clusters.ts';
import { FROM_ADS } from '../xds-server/translate/messages.ts';
import { markOption, portRangeOptions, sealedOption, transparentOption } from '../xds-server/translate/socket-options.ts';

/**
 * Has what names a resource, and does not say where that comes from, get it by the stream that it came by itself.
 * @returns whether it changed the message
 */
export function fillInSource(message: Message): boolean {
  if (isMessage(message, RdsSchema)) return fill(message, 'configSource');
  if (isMessage(message, ClusterSchema)) return fillInEndpoints(message);
  if (isMessage(message, Cluster_EdsClusterConfigSchema)) return fill(message, 'edsConfig');
  if (isMessage(message, SdsSecretConfigSchema)) return fill(message, 'sdsConfig');
  return false;
}

/** Of clusters that say no more than that theirs are discovered. */
function fillInEndpoints(cluster: Cluster): boolean {
  const { clusterDiscoveryType: discovery, edsClusterConfig } = cluster;
  if (edsClusterConfig || discovery.case !== 'type' || discovery.value !== Cluster_DiscoveryType.EDS) return false;
  cluster.edsClusterConfig = create(Cluster_EdsClusterConfigSchema, { edsConfig: FROM_ADS });
  return true;
}

function fill<F extends string>(message: { [field in F]?: ConfigSource | undefined }, field: F): boolean {
  if (message[field] !== undefined) return false;
  message[field] = create(ConfigSourceSchema, FROM_ADS);
  return true;
}

/**
 * Gives a cluster what it does not say of itself.
 * @param mark what its connections have in their mark, by which the kernel of a node that enforces policies knows and judges them
 * @param isSealed whether nobody sees what it sends, so that the kernel has to know which listener has asked rules of that: the mark is the listener's then
 */
export function completeCluster(cluster: Cluster, mark?: number, isSealed = false): void {
  cluster.circuitBreakers ??= create(CircuitBreakersSchema, NO_CIRCUIT_BREAKING);
  if (isOfRedis(cluster)) cluster.waitForWarmOnInit = false;
  if (mark === undefined) return;
  // What it opens for itself has a port of the kernel program's choice, and for clients one of these.
  const socketOptions = [isSealed ? sealedOption() : markOption(mark), transparentOption(), ...portRangeOptions(UPSTREAM_PORTS.services)];
  cluster.upstreamBindConfig = create(BindConfigSchema, { socketOptions });
}

/**
 * Makes a listener without an address one that Services are led to: what is a node's is left to the node, and the name with it.
 * @param mark what is opened with the address of who asked has in its mark; undefined: that is opened as for Ingresses
 */
export function completeServiceListener(listener: Listener, mark: number | undefined): Listener {
  const { listenerFilters } = listener;
  return {
    ...listener,
    name: '',
    additionalAddresses: [],
    // Connections have the address that was asked for.
    transparent: true,
    // The kernel may find the same worker's socket for many connections.
    connectionBalanceConfig: listener.connectionBalanceConfig ?? EXACT_BALANCE,
    // Before others, which may change what the client's address is taken to be.
    listenerFilters: mark === undefined ? listenerFilters : [originalSource(mark), ...listenerFilters],
  };
}

const EXACT_BALANCE = create(Listener_ConnectionBalanceConfigSchema, { balanceType: { case: 'exactBalance', value: {} } });

function originalSource(mark: number): ListenerFilter {
  const value = anyPack(OriginalSrcSchema, create(OriginalSrcSchema, { mark }));
  return create(ListenerFilterSchema, { name: 'envoy.filters.listener.original_src', configType: { case: 'typedConfig', value } });
}

const REDIS_TYPE = `type.googleapis.com/${RedisClusterConfigSchema.typeName}`;

/** Envoy takes no other cluster, of anybody, until it has found the servers of one of these, which may be never. */
function isOfRedis({ clusterDiscoveryType: type }: Cluster): boolean {
  return type.case === 'clusterType' && (type.value.name === 'envoy.clusters.redis' || type.value.typedConfig?.typeUrl === REDIS_TYPE);
}
