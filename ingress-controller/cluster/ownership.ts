import type { EndpointSlice, Ingress, Service } from '../../kube/index.ts';
import { MANAGED_BY_LABEL, MANAGER } from './names.ts';

/** Who may be written to an object with one of our names: `ours` can be, `going` will be gone by itself, `foreign` is not touched. */
export type Ownership = 'absent' | 'ours' | 'going' | 'foreign';

/**
 * Judges an object that an Ingress wants: it is ours if the Ingress controls it, whoever made it, so that what Cilium made is adopted. One
 * that an earlier Ingress of the same name controls goes with the garbage.
 */
export function ownershipByIngress(object: Service | EndpointSlice | undefined, ingress: Ingress): Ownership {
  if (object === undefined) return 'absent';
  const { controller, deletionTimestamp } = object.metadata;
  if (deletionTimestamp !== undefined) return 'going';
  if (controller === undefined || object.metadata.uid === undefined) return 'foreign';
  if (controller.uid === ingress.metadata.uid) return 'ours';
  return controller.name === ingress.metadata.name ? 'going' : 'foreign';
}

/** Judges an object of the shared Service, which no Ingress can control: it is ours if we made it, as its label says. */
export function ownershipByLabel(object: Service | EndpointSlice | undefined): Ownership {
  if (object === undefined) return 'absent';
  if (object.metadata.deletionTimestamp !== undefined) return 'going';
  return isMadeByUs(object) && object.metadata.uid !== undefined ? 'ours' : 'foreign';
}

/** Whether it was made, or has been taken over, by Sluice. Only such objects are ever deleted. */
export function isMadeByUs(object: Service | EndpointSlice): boolean {
  return object.metadata.labels[MANAGED_BY_LABEL] === MANAGER;
}
