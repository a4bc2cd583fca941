import type { Pod } from '../../kube/index.ts';

/** On a pod of Sluice's own whose address is that of its node's Ingresses: docs/decisions/ingress-identity.md. */
export const INGRESS_ADDRESS_LABEL = 'sluice.io/ingress-address';

/** Where Sluice is installed by default. */
export const DEFAULT_NAMESPACE = 'sluice-system';

/**
 * Whether a pod's addresses are its node's ingress addresses, so that it counts as `reserved:ingress`.
 * @param namespace Sluice's own: whoever sets the label elsewhere gets nothing by it
 */
export function isIngressHolder({ metadata, spec }: Pod, namespace: string): boolean {
  return metadata.namespace === namespace && Object.hasOwn(metadata.labels, INGRESS_ADDRESS_LABEL) && !spec.hostNetwork;
}
