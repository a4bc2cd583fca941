/**
 * Whether what policy does not allow is only told of: `true` or `pods` (those that say `true` themselves) on a Namespace, and `true` or
 * `false` on a Pod of such a one.
 */
export const AUDIT_ANNOTATION = 'policy.sluice.io/audit-mode';

/**
 * Ports whose requests are to be seen, on a Pod or for all of a Namespace: `<Ingress/80/TCP/HTTP>,<Egress/8080/TCP/HTTP>`.
 * @see https://docs.cilium.io/en/v1.13/policy/visibility/
 */
export const VISIBILITY_ANNOTATION = 'policy.cilium.io/proxy-visibility';
