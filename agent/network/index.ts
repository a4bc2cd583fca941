export {
  INGRESS_MARKS,
  LED_MARK,
  LEG_MARKS,
  ledSlotOf,
  OPENED_FOR_INGRESSES,
  OPENED_FOR_OUTSIDE,
  OPENED_FOR_PODS,
  slotPortOf,
} from './marks.ts';
export { SteeringNetworkError, type SteeringNetworkErrorCode } from './network-error.ts';
export { isAsWanted, type NetworkItem } from './network-item.ts';
export { findSteeringObstacles, type SteeringObstacle } from './obstacles.ts';
export { STEERING_DEVICE } from './steering-device.ts';
export {
  inspectSteeringNetwork,
  removeSteeringNetwork,
  SteeringNetwork,
  type SteeringNetworkEvent,
  type SteeringNetworkOptions,
  type SteeringNetworkState,
} from './steering-network.ts';
export type { PortRange } from './steering-table.ts';
export { HOW_TO_MOUNT, whyNoSysctls } from './sysctls.ts';
