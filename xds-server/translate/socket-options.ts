import { SocketOption_SocketState, type SocketOptionSchema } from '@sluice/envoy-protos/envoy/config/core/v3/socket_option_pb.js';
import type { Init } from './messages.ts';

type SocketOption = Init<typeof SocketOptionSchema>;

/** Marks by which the kernel of a node that enforces policies knows Envoy's sockets for Ingresses. */
export interface IngressMarks {
  /** Of connections to backends. */
  readonly client: number;
  /** Of listeners, and what they accept. */
  readonly server: number;
}

/** When who has nothing to say is asked whether he is there, and how often before he is taken to be gone. */
export interface KeepAlive {
  readonly idleSeconds: number;
  readonly intervalSeconds: number;
  readonly probes: number;
}

/** Ports, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** socket(7), ip(7), tcp(7) */
const SOL_SOCKET = 1n;
const SO_KEEPALIVE = 9n;
const SO_PRIORITY = 12n;
const SO_MARK = 36n;
const IPPROTO_IP = 0n;
const IP_TRANSPARENT = 19n;
const IP_BIND_ADDRESS_NO_PORT = 24n;
const IP_LOCAL_PORT_RANGE = 51n;
const IPPROTO_TCP = 6n;
const TCP_KEEPIDLE = 4n;
const TCP_KEEPINTVL = 5n;
const TCP_KEEPCNT = 6n;

/** Needs CAP_NET_RAW or, before Linux 5.17, CAP_NET_ADMIN. */
export function markOption(mark: number): SocketOption {
  return prebound('SO_MARK', SOL_SOCKET, SO_MARK, BigInt(mark));
}

/** As in `bpf/programs/proxy.h`. */
const SEALED = 0x736c_0d00n;

/** In place of a mark, which stays what a listener gave the socket: see docs/decisions/envoy-config.md. Needs what a mark needs. */
export function sealedOption(): SocketOption {
  return prebound('SO_PRIORITY', SOL_SOCKET, SO_PRIORITY, SEALED);
}

/** Lets a socket have an address that is not the machine's; of either family, for which the kernel has one setting. Needs CAP_NET_RAW. */
export function transparentOption(): SocketOption {
  return ipOption('IP_TRANSPARENT', IP_TRANSPARENT, 1n);
}

/** Has the kernel choose a socket's own port among these, where nobody else does. */
export function portRangeOptions({ first, last }: PortRange): SocketOption[] {
  return [
    // As the kernel reads it: an int, whose upper half is the last port.
    ipOption('IP_LOCAL_PORT_RANGE', IP_LOCAL_PORT_RANGE, BigInt((last << 16) | first)),
    // With a source address that is not bound to a port the kernel finds one by the whole connection, not by the address alone.
    ipOption('IP_BIND_ADDRESS_NO_PORT', IP_BIND_ADDRESS_NO_PORT, 1n),
  ];
}

/** For a listener, from which connections that it accepts have them. */
export function keepAliveOptions({ idleSeconds, intervalSeconds, probes }: KeepAlive): SocketOption[] {
  return [
    prebound('SO_KEEPALIVE', SOL_SOCKET, SO_KEEPALIVE, 1n),
    prebound('TCP_KEEPIDLE', IPPROTO_TCP, TCP_KEEPIDLE, BigInt(idleSeconds)),
    prebound('TCP_KEEPINTVL', IPPROTO_TCP, TCP_KEEPINTVL, BigInt(intervalSeconds)),
    prebound('TCP_KEEPCNT', IPPROTO_TCP, TCP_KEEPCNT, BigInt(probes)),
  ];
}

/** One of ip(7), set before the socket is bound. @param description its name, for people */
export function ipOption(description: string, name: bigint, value: bigint): SocketOption {
  return prebound(description, IPPROTO_IP, name, value);
}

function prebound(description: string, level: bigint, name: bigint, value: bigint): SocketOption {
  return { description, level, name, value: { case: 'intValue', value }, state: SocketOption_SocketState.STATE_PREBIND };
}
