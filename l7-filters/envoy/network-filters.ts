import type { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { RBACSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import type { Slot } from '../../model/index.ts';
import { anyOf, typeUrlOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { SERVER_NAME_STATE } from '../tls/index.ts';
import { discovery } from './discovery.ts';

/** Where the cluster of original destinations looks first. */
const DESTINATION = 'envoy.network.transport_socket.original_dst_address';

/** A socket that connections are steered to has the address that their clients asked for. */
export function keepDestination(): Init<typeof FilterSchema> {
  return keep(DESTINATION, '%DOWNSTREAM_LOCAL_ADDRESS%');
}

/** For who is told of denials, which say nothing of a TLS that Envoy does not end. */
export function keepServerName(): Init<typeof FilterSchema> {
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

/** The filter that decides by the rules of a slot of server names. */
export function discoveredServerNames({ name }: Slot): Init<typeof FilterSchema> {
  return { name, configType: { case: 'configDiscovery', value: discovery([typeUrlOf(RBACSchema)]) } };
}
