import type { Address } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';

/** One end of a connection. */
export interface Socket {
  readonly address: string;
  readonly port: number;
}

/** As Envoy's access log has it; undefined where it has none of IP. */
export function socketOf(address: Address | undefined): Socket | undefined {
  if (address?.address.case !== 'socketAddress') return undefined;
  const { address: host, portSpecifier } = address.address.value;
  return { address: host, port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0 };
}
