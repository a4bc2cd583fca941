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
 * The Service and the first EndpointSlice of an Ingress in mode `dedicated`. A long name is cut off and made unique by a hash, as Cilium
 * does it. A Service cannot have a name with dots, so Cilium has none for such an Ingress, and the name is ours to make.
 * @see https://github.com/cilium/cilium/blob/main/pkg/shortener/shortener.go
 */
export function dedicatedName(ingress: string): string {
  const name = `${SHARED_NAME}-${ingress}`;
  const short = name.length > MAX_LABEL ? hashedName(name, name) : name;
  return short.includes('.') ? hashedName(name.replaceAll('.', '-'), name) : short;
}

/**
 * An EndpointSlice of a Service. The first for IPv4 has the Service's name; the hash keeps the others apart from those of other Services.
 * @param part see {@link partitionNodes}
 */
export function sliceName(service: string, addressType: 'IPv4' | 'IPv6', part: string): string {
  const parts = [...(addressType === 'IPv6' ? ['ipv6'] : []), ...(part === '' ? [] : [part])];
  return parts.length === 0 ? service : [service, ...parts, hashOf(service)].join('-');
}

function hashedName(name: string, whole: string): string {
  return `${name.slice(0, MAX_LABEL - HASH_LENGTH - 1)}-${hashOf(whole)}`;
}

/** Kubernetes writes these hexadecimal digits otherwise, so that no name has a word in it that offends. */
const ENCODED: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

function hashOf(text: string): string {
  const digits = createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
  return digits.replace(/[013ae]/g, (digit) => ENCODED[digit] ?? digit);
}
