export type { LinkAddress, Neighbour, NetworkLink, Route } from './entries.ts';
export { NetlinkError, type NetlinkErrorCode } from './netlink-error.ts';
export { type RouteChange, RouteMonitor, type RouteMonitorOptions } from './route-monitor.ts';
export { RouteNetlink } from './route-netlink.ts';
