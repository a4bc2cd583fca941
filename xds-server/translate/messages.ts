import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { DurationSchema } from '@bufbuild/protobuf/wkt';
import type { AddressSchema } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { ApiVersion, type ConfigSourceSchema } from '@sluice/envoy-protos/envoy/config/core/v3/config_source_pb.js';

/** What makes a message, without being one already. */
export type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, MessageShape<S>>;

/** "Ask for it on the stream that this came by." */
export const FROM_ADS = {
  resourceApiVersion: ApiVersion.V3,
  configSourceSpecifier: { case: 'ads', value: {} },
} as const satisfies Init<typeof ConfigSourceSchema>;

/** Milliseconds as a protobuf duration; fractions of a nanosecond are dropped. */
export function durationOf(milliseconds: number): Init<typeof DurationSchema> {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((milliseconds - seconds * 1000) * 1_000_000) };
}

export function socketAddress(address: string, port: number): Init<typeof AddressSchema> {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } };
}

const ANY_IPV6 = '::';

/** Where to listen. On `::` clients of IPv4 are served too, whatever the system's default is. */
export function listenAddress(address: string, port: number): Init<typeof AddressSchema> {
  const socket = { address, portSpecifier: { case: 'portValue', value: port }, ipv4Compat: address === ANY_IPV6 } as const;
  return { address: { case: 'socketAddress', value: socket } };
}
