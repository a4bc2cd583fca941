import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import type { FilterStateValueSchema } from '@sluice/envoy-protos/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { SERVER_NAME_STATE, SLOT_STATE } from '../tls/index.ts';
import { discovery } from './discovery.ts';

/** Where the cluster of original destinations looks first. */
const DESTINATION = 'envoy.network.transport_socket.original_dst_address';

/** A socket that connections are steered to has the address that their clients asked for. */
export function keepDestination(): Init<typeof FilterSchema> {
  return keep([{ objectKey: DESTINATION, text: '%DOWNSTREAM_LOCAL_ADDRESS%' }]);
}

/** For who is told of connections, which say nothing of a TLS that Envoy does not end, and nothing of who decided. */
export function keepServerName({ name }: Slot): Init<typeof FilterSchema> {
  return keep([
    { objectKey: SERVER_NAME_STATE, text: '%REQUESTED_SERVER_NAME%', factoryKey: 'envoy.string' },
    { objectKey: SLOT_STATE, text: name.replaceAll('%', '%%'), factoryKey: 'envoy.string' },
  ]);
}

interface Kept {
  readonly objectKey: string;
  readonly text: string;
  /** What makes the object; default: what the key is registered for. */
  readonly factoryKey?: string;
}

function keep(all: readonly Kept[]): Init<typeof FilterSchema> {
  const value = anyOf(SetFilterStateSchema, { onNewConnection: all.map(stateValue) });
  return { name: 'envoy.filters.network.set_filter_state', configType: { case: 'typedConfig', value } };
}

function stateValue({ objectKey, text, factoryKey = '' }: Kept): Init<typeof FilterStateValueSchema> {
  const format = { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: text } } } } as const;
  return { key: { case: 'objectKey', value: objectKey }, factoryKey, value: { case: 'formatString', value: format } };
}

/** The filter that decides by the rules of a slot of server names. */
export function discoveredServerNames({ name }: Slot): Init<typeof FilterSchema> {
  return { name, configType: { case: 'configDiscovery', value: discovery([typeUrlOf(RBACSchema)]) } };
}
