export type { LinkAddress, Neighbour, NetworkLink, Route } from './entries.ts';
export { type BaseChain, type ForeignChain, Netfilter, type NetfilterHook, type NetfilterTable } from './netfilter.ts';
export { drop, keepSource, markIs, notrack, type Statement, socketMarkIs, tcpPortWithin } from './netfilter-rule.ts';
export { NetlinkError, type NetlinkErrorCode } from './netlink-error.ts';
export { type DefaultRoute, type IpFamily, type LinkState, type MarkRule, RouteEditor } from './route-editor.ts';
export { type RouteChange, RouteMonitor, type RouteMonitorOptions } from './route-monitor.ts';
export { RouteNetlink } from './route-netlink.ts';
export { RuleWatch } from './rule-watch.ts';
export { cookieOf, type TcpSocket, TcpSockets } from './tcp-sockets.ts';
