import type { Address } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import type { Endpoint } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { below, type Path } from '../../messages/path.ts';
import type { PrivilegedUse } from '../privileged-use.ts';
import { isOfNode } from './node-address.ts';
import { ofValue } from './of-value.ts';

/** Pipes are privileged by themselves; whose an internal listener is, the references say. */
export function usesOfEndpoint({ address, additionalAddresses, healthCheckConfig }: Endpoint, path: Path): PrivilegedUse[] {
  const additional = below(path, 'additionalAddresses');
  return [
    ...usesOfAddress(address, below(path, 'address')),
    ...additionalAddresses.flatMap((item, index) => usesOfAddress(item.address, below(below(additional, index), 'address'))),
    ...usesOfAddress(healthCheckConfig?.address, below(below(path, 'healthCheckConfig'), 'address')),
  ];
}

function usesOfAddress(address: Address | undefined, path: Path): PrivilegedUse[] {
  if (address?.address.case !== 'socketAddress' || !isOfNode(address.address.value.address)) return [];
  return [ofValue('envoy.config.endpoint.v3.Endpoint.address', below(below(path, 'socketAddress'), 'address'))];
}
