import type { NamedPod } from './named-pod.ts';

/**
 * Who sends or receives a packet, as a number: what policy can tell apart, and nothing more. 24 bits and one for the scope.
 * @see https://docs.cilium.io/en/stable/internals/security-identities/
 */
export type Identity = number;

/** Identities that no labels of users make. The numbers are Cilium's. */
export const RESERVED_IDENTITIES = {
  unknown: 0,
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  'remote-node': 6,
  'kube-apiserver': 7,
  ingress: 8,
  'world-ipv4': 9,
  'world-ipv6': 10,
} as const satisfies Readonly<Record<string, Identity>>;

export type ReservedIdentity = keyof typeof RESERVED_IDENTITIES;

/** The first identity that is allocated for labels; up to {@link LAST_CLUSTER_IDENTITY}. */
export const FIRST_CLUSTER_IDENTITY: Identity = 256;
export const LAST_CLUSTER_IDENTITY: Identity = 65_535;

/** Set in identities that stand for addresses rather than for labels: those of CIDR rules. */
export const LOCAL_SCOPE: Identity = 1 << 24;

/** What an identity stands for. */
export interface IdentityEntry {
  readonly identity: Identity;
  /** Sorted, each with its source: `k8s:app=web`, `reserved:host`, `cidr:10.0.0.0/8`. */
  readonly labels: readonly string[];
}

/** Addresses of one identity: `10.0.1.7/32`, `2001:db8::/32`, in canonical form. Of several prefixes the longest decides. */
export interface AddressEntry {
  readonly prefix: string;
  readonly identity: Identity;
  /** The pod whose address it is; absent for others. Nothing is decided by it. */
  readonly pod?: NamedPod;
}
