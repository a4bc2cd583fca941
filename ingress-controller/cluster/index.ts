export { type ClusterObjects, type ClusterOutcome, reconcileIngress } from './ingress-objects.ts';
export {
  dedicatedName,
  NODES_SERVICE,
  SERVICE_NAME_LABEL,
  SHARED_NAME,
  SLICE_MANAGED_BY_LABEL,
  SLICE_MANAGER,
  sliceName,
} from './names.ts';
export { gatherNodes, type Nodes } from './nodes.ts';
export { clusterPlacement, type Placement, SHARED_NODE_PORTS, STANDALONE } from './placement.ts';
export { choosePort, type PortClaim, portOwner, rememberedPort } from './ports.ts';
export { reconcileShared } from './shared-objects.ts';
