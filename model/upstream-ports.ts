/**
 * Ports of the connections that Envoy opens with the address of a pod of its node, both included; no pod's: for slots of what pods send and of what comes
 * to them, and for Services that a listener takes. They differ, since one connection of a pod may be all three. See docs/decisions/layer7.md.
 */
export const UPSTREAM_PORTS = {
  egress: { first: 61_000, last: 62_511 },
  ingress: { first: 62_512, last: 64_023 },
  services: { first: 64_024, last: 65_535 },
} as const;
