import type { PrivilegedGroup } from './privilege.ts';

/** Fields of which some values are privileged, see `by-value/`. */
export const PRIVILEGED_VALUES: readonly PrivilegedGroup[] = [
  {
    why: 'it is an address of the node itself, where Envoy, the kubelet and others take whoever asks for the node’s own',
    never: true,
    names: ['envoy.config.endpoint.v3.Endpoint.address'],
  },
  { why: 'it is a port of every node', names: ['envoy.config.listener.v3.Listener.address'] },
  {
    why: 'Envoy goes by its name, without regard to the type of a config or where there is none, and the name is not that of a harmless one',
    names: [
      'envoy.config.cluster.v3.Cluster.CustomClusterType.name',
      'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.custom_validator_config',
    ],
  },
  {
    why: 'what goes through it is no longer HTTP, so that no rule sees it',
    names: [
      'envoy.config.route.v3.RouteAction.UpgradeConfig.upgrade_type',
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig.upgrade_type',
    ],
  },
  {
    why: 'Envoy chooses where it connects to, or whom it believes, by what this key holds',
    names: ['envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.object_key'],
  },
];
