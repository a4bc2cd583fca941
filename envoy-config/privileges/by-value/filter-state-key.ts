import type { FilterStateValue } from '@sluice/envoy-protos/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import { below, type Path } from '../../messages/path.ts';
import { type PrivilegedUse, useOf } from '../privileged-use.ts';
import { ofValue } from './of-value.ts';

const WHAT = 'envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.object_key';

/** Keys that Envoy reads: what they hold says what is told to a server, or how long something may last. All others of Envoy's are privileged. */
const HARMLESS = new Set([
  'envoy.network.application_protocols',
  'envoy.network.ip',
  'envoy.network.proxy_protocol_options',
  'envoy.network.upstream_server_name',
  'envoy.network.upstream_subject_alt_names',
  'envoy.ratelimit.hits_addend',
  'envoy.string',
  'envoy.tcp_proxy.disable_tunneling',
  'envoy.tcp_proxy.per_connection_idle_timeout_ms',
  'envoy.tcp_proxy.propagate_response_headers',
  'envoy.tcp_proxy.propagate_response_trailers',
  'envoy.tcp_proxy.receive_before_connect',
]);

const NEVER: readonly (readonly [RegExp, string])[] = [
  [/^envoy\.network\.upstream_(socket_options|bind_override)/, 'marks, addresses and devices of a socket say whose a connection is'],
  [/^sluice\./, 'the filters by which policies are enforced tell each other by this key'],
];

export function usesOfFilterState({ key }: FilterStateValue, path: Path): PrivilegedUse[] {
  const { case: kind, value } = key;
  if (kind !== 'objectKey' || HARMLESS.has(value)) return [];
  const at = below(path, 'objectKey');
  for (const [pattern, why] of NEVER) if (pattern.test(value)) return [useOf(WHAT, { why, never: true }, at)];
  return /^(envoy|io\.envoyproxy)\./.test(value) ? [ofValue(WHAT, at)] : [];
}
