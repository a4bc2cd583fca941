import { type FileRegistry, isMessage } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { VirtualHostSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { sentAgain } from '../xds-server/translate/virtual-hosts.ts';
import { walkMessage } from './messages/walk-message.ts';

/**
 * Has requests that change nothing sent again when their connection ends without an answer, as those of Ingresses are where policies are
 * enforced: connections that Envoy keeps end with a change of these. What a virtual host, a route or a cluster says of its own counts instead.
 */
export function completeRetries(message: ReflectMessage, registry: FileRegistry): void {
  walkMessage(message, registry, ({ message: host }) => {
    if (!isMessage(host, VirtualHostSchema) || host.retryPolicy || host.retryPolicyTypedConfig) return false;
    host.retryPolicy = sentAgain();
    return true;
  });
}
