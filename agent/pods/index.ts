export type { DeviceCandidate, PodDevice } from './match-devices.ts';
export type { NetworkDevice, NetworkDevices } from './network-devices.ts';
export { type DevicesState, NO_DEVICES, PodDevices, type PodDevicesOptions } from './pod-devices.ts';
