export { LEG_MARKS } from './marks.ts';
export { SteeringNetworkError, type SteeringNetworkErrorCode } from './network-error.ts';
export { isAsWanted, type NetworkItem } from './network-item.ts';
export { STEERING_DEVICE } from './steering-device.ts';
export {
  removeSteeringNetwork,
  SteeringNetwork,
  type SteeringNetworkEvent,
  type SteeringNetworkOptions,
  type SteeringNetworkState,
} from './steering-network.ts';
export type { PortRange } from './steering-table.ts';
