const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_LENGTH = 253;

/**
 * Says what is wrong with a host of an Ingress, undefined if nothing is: a DNS name in lower case, or `*.` and one, and
 * no IP address.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/#IngressSpec
 */
export function hostProblem(host: string): string | undefined {
  if (host.length > MAX_LENGTH) return `must be no more than ${MAX_LENGTH} characters`;
  if (isIPv4(host) || host.includes(':')) return 'must be a DNS name without port, not an IP address';
  if (host !== host.toLowerCase()) return 'must be in lower case';
  if (!host.includes('*')) return SUBDOMAIN.test(host) ? undefined : 'must be a DNS name such as example.com';
  if (host.startsWith('*.') && SUBDOMAIN.test(host.slice(2))) return undefined;
  return 'may have a wildcard only as the whole first label, such as *.example.com';
}

/** Leading zeros are read as decimal, as the API server does. */
function isIPv4(host: string): boolean {
  const parts = host.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

/** The wildcard that takes this name: `*.example.com` for `www.example.com`. Undefined for a wildcard or a single label. */
export function wildcardOf(name: string): string | undefined {
  const dot = name.indexOf('.');
  return name.startsWith('*') || dot < 0 ? undefined : `*${name.slice(dot)}`;
}

/** Whether a name in a certificate or TLS entry covers a host: the same, or a wildcard for exactly its first label. */
export function covers(name: string, host: string): boolean {
  return name === host || name === wildcardOf(host);
}
