import { create } from '@bufbuild/protobuf';
import { AddressSchema, IdentitySchema, NodeEndpointsSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { type AddressEntry, type IdentityEntry, type NamedPod, type PodEndpoint, RESERVED_IDENTITIES } from '../../../model/index.ts';
import type { Resource, ResourceName } from '../../serve/resource.ts';
import { SUBJECT_POLICY_TYPE } from '../../serve/types.ts';
import { encodeResource } from '../encode.ts';

/** Named by the prefix. */
export function translateAddress({ prefix, identity, pod }: AddressEntry): Resource {
  return encodeResource(AddressSchema, prefix, create(AddressSchema, { identity, ...(pod && { pod: podMessage(pod) }) }));
}

function podMessage({ namespace, name, workload }: NamedPod) {
  const made = workload.kind === 'Pod' ? {} : { workloadKind: workload.kind, workloadName: workload.name };
  return { namespace, name, ...made };
}

/** Named by the number. */
export function translateIdentity({ identity, labels }: IdentityEntry): Resource {
  return encodeResource(IdentitySchema, String(identity), create(IdentitySchema, { labels: [...labels] }));
}

/** What one node enforces policy for. */
export interface NodeEndpoints {
  readonly node: string;
  /** All of that node. */
  readonly endpoints: readonly PodEndpoint[];
  /** Addresses of the node itself. */
  readonly nodeAddresses: readonly string[];
  /** Absent: Services are left to others. */
  readonly serviceClients?: ServiceClients;
  /** Prefixes in which whoever comes may be isolated before it is known who it is. Default: none. */
  readonly guardedNetworks?: readonly string[];
  /** Whether what Envoy opens for Ingresses has to have the node's ingress address. Default: false. */
  readonly needsIngressAddress?: boolean;
}

/** Clients of Services on one node. */
export interface ServiceClients {
  readonly zone?: string;
  /** Prefixes that pods of the node have their addresses of; none where that is not known. */
  readonly podNetworks: readonly string[];
  /** Slots of listeners that the node does not have, though Services name them. Default: none. */
  readonly slotsElsewhere?: readonly string[];
}

/** Named by the node; requires the policies of its endpoints' identities, and of `init` where there may be somebody who is not known. */
export function translateNodeEndpoints(told: NodeEndpoints): Resource {
  const { node, endpoints, nodeAddresses, serviceClients, guardedNetworks = [], needsIngressAddress = false } = told;
  const message = create(NodeEndpointsSchema, {
    endpoints: endpoints.map(({ pod: { namespace, name }, uid, addresses, identity }) => ({
      namespace,
      name,
      uid,
      addresses: [...addresses],
      identity,
    })),
    nodeAddresses: [...nodeAddresses],
    ...(serviceClients && { serviceClients: clientsMessage(serviceClients) }),
    guardedNetworks: [...guardedNetworks],
    needsIngressAddress,
  });
  const identities = new Set(endpoints.map(({ identity }) => identity));
  if (guardedNetworks.length > 0) identities.add(RESERVED_IDENTITIES.init);
  const requires = [...identities].map((identity): ResourceName => ({ typeUrl: SUBJECT_POLICY_TYPE, name: String(identity) }));
  return encodeResource(NodeEndpointsSchema, node, message, requires);
}

function clientsMessage({ zone = '', podNetworks, slotsElsewhere = [] }: ServiceClients) {
  return { zone, podNetworks: [...podNetworks], slotsElsewhere: [...slotsElsewhere] };
}
