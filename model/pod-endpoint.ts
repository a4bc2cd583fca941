import type { Identity } from './identity.ts';
import type { ObjectRef } from './provenance.ts';

/** A pod that policy is enforced for, on the node that it runs on. */
export interface PodEndpoint {
  readonly pod: ObjectRef;
  /** Of the Pod object: a pod of the same name that comes later is another endpoint. */
  readonly uid: string;
  readonly node: string;
  /** Of both families, in canonical form. Packets of the pod bear one of these as their source. None where nobody has told of any yet. */
  readonly addresses: readonly string[];
  readonly identity: Identity;
}
