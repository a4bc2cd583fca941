import { hash } from 'node:crypto';

/**
 * One xDS resource, encoded. Whoever makes it decides what equality means: two resources of one name and version are the
 * same resource, and the second is not sent to who has the first.
 */
export interface Resource {
  /** `type.googleapis.com/envoy.config.cluster.v3.Cluster` and so on. */
  readonly typeUrl: string;
  readonly name: string;
  /** A hash of the content, so that it means the same after a restart. */
  readonly version: string;
  /** The encoded message, as it stands in `google.protobuf.Any.value`. */
  readonly body: Uint8Array;
  /** What this resource names and cannot work without: a cluster's endpoints, a listener's certificates, a scope's routes. */
  readonly requires: readonly ResourceName[];
}

export interface ResourceName {
  readonly typeUrl: string;
  readonly name: string;
}

export interface Removal extends ResourceName {
  /** Whether something may need it for a while yet that nobody else makes but who hears of this later. */
  readonly isLate?: true;
}

/** A set of changes that clients must see in make-before-break order. Removing a name that is not there is no error. */
export interface ResourceChange {
  readonly upserts: readonly Resource[];
  readonly removals: readonly Removal[];
}

/** A version for content that is its bytes: 96 bits of SHA-256, short on the wire, and no two contents of one resource will ever share it. */
export function contentVersion(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'base64url').slice(0, 16);
}
