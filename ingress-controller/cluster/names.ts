import { createHash } from 'node:crypto';

/** The Service of all Ingresses in mode `shared`, and its EndpointSlice, in Sluice's own namespace. */
export const SHARED_NAME = 'cilium-ingress';
/** The headless Service whose EndpointSlices tell the nodes and whether their agents are ready. */
export const NODES_SERVICE = 'sluice-nodes';

export const INGRESS_LABEL = 'cilium.io/ingress';
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGER = 'sluice';
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const SLICE_MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
export const SLICE_MANAGER = 'ingress.sluice.io';

const MAX_LABEL = 63;
const HASH_LENGTH = 10;

/**
 * The Service and the EndpointSlice of an Ingress in mode `dedicated`, as Cilium calls them. A Service has the name of a DNS label,
 * so a name that is none, being too long or with dots, is cut off and made unique by a hash.
 */
export function dedicatedName(ingress: string): string {
  const name = `${SHARED_NAME}-${ingress}`;
  if (name.length <= MAX_LABEL && !name.includes('.')) return name;
  return `${name.replaceAll('.', '-').slice(0, MAX_LABEL - HASH_LENGTH - 1)}-${hashOf(name)}`;
}

/** The EndpointSlice for IPv6 of a Service; the other has the Service's name. The hash keeps it apart from those of other Ingresses. */
export function secondSliceName(service: string): string {
  return `${service}-ipv6-${hashOf(service)}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
}
