import { create } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import type { EndpointSet } from '../../model/index.ts';
import type { Resource } from '../serve/resource.ts';
import { encodeResource } from './encode.ts';
import { clientsMetadata } from './endpoints-for-node.ts';
import { socketAddress } from './messages.ts';

/**
 * A set without endpoints is translated too: its cluster is then known to be empty, and answers at once, where without
 * a word it would wait for one.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/endpoint/v3/endpoint.proto
 */
export function translateEndpoints(set: EndpointSet): Resource {
  const lbEndpoints = set.endpoints.map(({ address, otherAddress, port, clients }) => {
    // Envoy tries one after the other, and the first that can be had with the source address that the connection is to have.
    const additionalAddresses = otherAddress === undefined ? [] : [{ address: socketAddress(otherAddress, port) }];
    const hostIdentifier = { case: 'endpoint' as const, value: { address: socketAddress(address, port), additionalAddresses } };
    return { hostIdentifier, ...(clients && { metadata: { filterMetadata: clientsMetadata(clients) } }) };
  });
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName: set.name,
    endpoints: lbEndpoints.length > 0 ? [{ lbEndpoints }] : [],
  });
  return encodeResource(ClusterLoadAssignmentSchema, set.name, message);
}
