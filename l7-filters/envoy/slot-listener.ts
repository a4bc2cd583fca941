import { create, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { TcpProxySchema, UpstreamConnectMode } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf } from '../../xds-server/translate/encode.ts';
import { durationOf, type Init } from '../../xds-server/translate/messages.ts';
import { connectionLog } from '../../xds-server/translate/request-logs.ts';
import { keepAliveOptions } from '../../xds-server/translate/socket-options.ts';
import { SERVER_NAME_STATE, SLOT_STATE } from '../tls/index.ts';
import { serverNameDenials } from './access-log.ts';
import { NOTHING_WAITS } from './buffers.ts';
import { slotConnectionManager } from './connection-manager.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import { originalDestinationCluster } from './names.ts';
import { discoveredServerNames, keepDestination, keepServerName } from './network-filters.ts';
import type { SlotOptions } from './options.ts';

/** By these it is known later who decided of a connection, and of which. */
const TLS_STATES = [SLOT_STATE, SERVER_NAME_STATE];

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
export function tlsListener(slot: Slot, options: SlotOptions): Uint8Array {
  const isOpen = slot.allowsAll.length > 0;
  return encodeListener(slot, [keepServerName(slot), discoveredServerNames(slot), tcpProxy(slot, isOpen, options)], {
    ...(!isOpen && inspection(slot)),
    perConnectionBufferLimitBytes: NOTHING_WAITS,
  });
}

/** Of the first bytes, which are to name the server. */
export function inspection({ audits }: Slot): Init<typeof ListenerSchema> {
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
    socketOptions: keepAliveOptions(KEEP_ALIVE),
    // Shared by all slots, since statistics are made for each name.
    statPrefix: `slot.${direction}`,
    // The kernel may find the same worker's socket for many connections.
    connectionBalanceConfig: { balanceType: { case: 'exactBalance', value: {} } },
    filterChains: [{ filters: [keepDestination(), ...filters] }],
    ...ofKind,
  });
  return toBinary(ListenerSchema, message);
}

function tcpProxy(slot: Slot, isOpen: boolean, { logsRequests }: SlotOptions): Init<typeof FilterSchema> {
  const { direction, audits } = slot;
  const value: Any = anyOf(TcpProxySchema, {
    accessLog: [...(isOpen ? [] : serverNameDenials(slot)), ...(logsRequests ? [connectionLog(TLS_STATES)] : [])],
    statPrefix: `slot.${direction}`,
    clusterSpecifier: { case: 'cluster', value: originalDestinationCluster(direction, 'tls') },
    // Not before the filter of the rules has seen the name: who may not be reached is to see no connection either.
    ...(!isOpen && !audits && { upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_DATA, maxEarlyDataBytes: MAX_HELLO_BYTES }),
    idleTimeout: durationOf(0),
  });
  return { name: 'envoy.filters.network.tcp_proxy', configType: { case: 'typedConfig', value } };
}
