import { create, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import { TcpProxySchema, UpstreamConnectMode } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import { durationOf, type Init } from '../../xds-server/translate/messages.ts';
import { SERVER_NAME_STATE } from '../tls/index.ts';
import { serverNameLogs } from './access-log.ts';
import { NOTHING_WAITS } from './buffers.ts';
import { slotConnectionManager } from './connection-manager.ts';
import { discovery } from './discovery.ts';
import { originalDestinationCluster } from './names.ts';
import type { SlotOptions } from './options.ts';

/** Where the cluster of original destinations looks first. */
const DESTINATION = 'envoy.network.transport_socket.original_dst_address';
/** A hello of TLS is sent at once by whoever opens the connection. */
const HELLO_TIMEOUT_MS = 15_000;
/** Where who sends none is to reach his server all the same. */
const AUDITED_HELLO_TIMEOUT_MS = 500;
const MAX_HELLO_BYTES = 65_536;

/** A part of an encoded Listener: see {@link translateSlot}. */
export function httpListener(slot: Slot, options: SlotOptions): Uint8Array {
  return encodeListener(slot, slotConnectionManager(slot, options));
}

/**
 * The same for server names. What is no TLS, or names no server, reaches nobody, but where everything is allowed: there, nobody waits for what a
 * client says first. (Whether everything is allowed is in the name of a slot.)
 */
export function tlsListener(slot: Slot): Uint8Array {
  const isOpen = slot.allowsAll.length > 0;
  return encodeListener(slot, [keepServerName(), discoveredFilter(slot), tcpProxy(slot, isOpen)], {
    ...(!isOpen && inspection(slot)),
    perConnectionBufferLimitBytes: NOTHING_WAITS,
  });
}

/** Of the first bytes, which are to name the server. */
function inspection({ audits }: Slot): Init<typeof ListenerSchema> {
  return {
    listenerFilters: [
      { name: 'envoy.filters.listener.tls_inspector', configType: { case: 'typedConfig', value: anyOf(TlsInspectorSchema, {}) } },
    ],
    listenerFiltersTimeout: durationOf(audits ? AUDITED_HELLO_TIMEOUT_MS : HELLO_TIMEOUT_MS),
    continueOnListenerFiltersTimeout: audits ?? false,
  };
}

function encodeListener({ direction }: Slot, filters: Init<typeof FilterSchema>[], ofKind: Init<typeof ListenerSchema> = {}): Uint8Array {
  const message = create(ListenerSchema, {
    transparent: true,
    // Shared by all slots, since statistics are made for each name.
    statPrefix: `slot.${direction}`,
    // The kernel may find the same worker's socket for many connections.
    connectionBalanceConfig: { balanceType: { case: 'exactBalance', value: {} } },
    filterChains: [{ filters: [keepDestination(), ...filters] }],
    ...ofKind,
  });
  return toBinary(ListenerSchema, message);
}

/** A socket that connections are steered to has the address that their clients asked for. */
function keepDestination(): Init<typeof FilterSchema> {
  return keep(DESTINATION, '%DOWNSTREAM_LOCAL_ADDRESS%');
}

/** For who is told of denials, which say nothing of a TLS that Envoy does not end. */
function keepServerName(): Init<typeof FilterSchema> {
  return keep(SERVER_NAME_STATE, '%REQUESTED_SERVER_NAME%', 'envoy.string');
}

/** @param factory what makes the object; default: what the key is registered for */
function keep(objectKey: string, text: string, factory = ''): Init<typeof FilterSchema> {
  const value = anyOf(SetFilterStateSchema, {
    onNewConnection: [
      {
        key: { case: 'objectKey', value: objectKey },
        factoryKey: factory,
        value: {
          case: 'formatString',
          value: { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: text } } } },
        },
      },
    ],
  });
  return { name: 'envoy.filters.network.set_filter_state', configType: { case: 'typedConfig', value } };
}

function discoveredFilter({ name }: Slot): Init<typeof FilterSchema> {
  return { name, configType: { case: 'configDiscovery', value: discovery([typeUrlOf(RBACSchema)]) } };
}

function tcpProxy(slot: Slot, isOpen: boolean): Init<typeof FilterSchema> {
  const { direction, audits } = slot;
  const value: Any = anyOf(TcpProxySchema, {
    accessLog: isOpen ? [] : serverNameLogs(slot),
    statPrefix: `slot.${direction}`,
    clusterSpecifier: { case: 'cluster', value: originalDestinationCluster(direction, 'tls') },
    // Not before the filter of the rules has seen the name: who may not be reached is to see no connection either.
    ...(!isOpen && !audits && { upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_DATA, maxEarlyDataBytes: MAX_HELLO_BYTES }),
    idleTimeout: durationOf(0),
  });
  return { name: 'envoy.filters.network.tcp_proxy', configType: { case: 'typedConfig', value } };
}
