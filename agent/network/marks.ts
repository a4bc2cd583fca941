/**
 * What the bits `mask` of a packet's or a socket's mark say: which leg of a proxied connection it is of. The bits above the 16th hold the port of
 * the slot. See docs/decisions/layer7.md.
 */
export const LEG_MARKS = {
  mask: 0xf00,
  /** A packet that was given to a socket of Envoy. */
  toEnvoy: 0x200,
  /** Listeners of egress and ingress slots, and what they accepted. */
  egressListener: 0x900,
  ingressListener: 0xa00,
  /** What Envoy opens for these, with the client's address. */
  egressUpstream: 0xb00,
  ingressUpstream: 0xc00,
} as const;

/** In the same bits, of Envoy's sockets for Ingresses: docs/decisions/ingress-identity.md. */
export const INGRESS_MARKS = {
  /** What it opens, with the node's ingress address. */
  client: 0xd00,
  /** Its listeners, and what they accepted. */
  server: 0xe00,
} as const;

/**
 * By these bits, which are those of {@link LEG_MARKS} and two more, what Envoy opens for Ingresses. With the third (`0xd05`) it is what a process of the node
 * asks of a listener.
 */
export const OPENED_FOR_INGRESSES = { mark: INGRESS_MARKS.client, mask: 0xf06 } as const;

/** By the same, what it opens for pods that asked a Service which a listener took, with their addresses: docs/decisions/envoy-config.md. */
export const OPENED_FOR_PODS = { mark: 0xd02, mask: 0xf02 } as const;

/** And for clients outside of the node that asked such a Service, with the node's ingress address. These are among {@link OPENED_FOR_INGRESSES}. */
export const OPENED_FOR_OUTSIDE = { mark: 0xd08, mask: 0xf0a } as const;

/** The port of the slot that a mark is of; 0: of none. */
export function slotPortOf(mark: number): number {
  return mark >>> 16;
}

/** By these bits, which are those of {@link LEG_MARKS} and one more, which of these two is led to a slot. */
export const LED_MARK = { mark: 0xd01, mask: 0xf01 } as const;

/** The port of the slot that such a connection is led to; 0: to none. */
export function ledSlotOf(mark: number): number {
  return (mark & LED_MARK.mask) === LED_MARK.mark ? slotPortOf(mark) : 0;
}
