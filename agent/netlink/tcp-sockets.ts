import { isIPv6, SocketAddress } from 'node:net';
import { NetlinkExchange } from './exchange.ts';
import { encodeAttribute, IS_LITTLE_ENDIAN } from './message.ts';
import { NetlinkError } from './netlink-error.ts';

// include/uapi/linux/sock_diag.h and inet_diag.h
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
/** All states but that of listeners, TIME_WAIT and what has no connection yet, by their numbers in `include/net/tcp_states.h`. */
const CONNECTED = [1, 2, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0);
/** `struct inet_diag_req_v2`, whose last 48 bytes name a socket, as those from the fourth on of `struct inet_diag_msg` do. */
const REQUEST_BYTES = 56;
const NAME_BYTES = 48;
const NAME_AT = { request: 8, answer: 4 } as const;
const INET_DIAG_REQ_BYTECODE = 1;
const BC_MARK_COND = 10;
const BC_ADDRESS_COND = { local: 7, remote: 8 } as const;
const OPERATION_BYTES = 4;

export interface SocketSelection {
  /** Whose address is looked at. */
  readonly side: keyof typeof BC_ADDRESS_COND;
  readonly address: string;
  /** What the bits `mask` of the socket's mark are. */
  readonly mark: number;
  readonly mask: number;
}

/** The TCP connections of the network namespace of the thread that opens it. Needs CAP_NET_ADMIN. What it throws are NetlinkErrors. */
export class TcpSockets implements Disposable {
  readonly #exchange: NetlinkExchange;

  private constructor(exchange: NetlinkExchange) {
    this.#exchange = exchange;
  }

  /** @throws NetlinkError `unavailable`, `refused` */
  static open(): TcpSockets {
    return new TcpSockets(NetlinkExchange.open('sockets'));
  }

  /**
   * Ends connections: both sides hear of a reset. @returns how many
   * @throws NetlinkError `refused`, with `EOPNOTSUPP` for a kernel without CONFIG_INET_DIAG_DESTROY; `interrupted`, `malformed`
   */
  end(selection: SocketSelection): number {
    const family = isIPv6(selection.address) ? AF_INET6 : AF_INET;
    const filter = encodeAttribute(INET_DIAG_REQ_BYTECODE, encodeFilter(selection, family));
    const found = this.#exchange.dump(
      SOCK_DIAG_BY_FAMILY,
      Buffer.concat([encodeRequest(family, new Uint8Array(NAME_BYTES)), filter]),
      SOCK_DIAG_BY_FAMILY,
    );
    const names = found.map(({ body }) => new Uint8Array(body.buffer, body.byteOffset + NAME_AT.answer, NAME_BYTES));
    return names.filter((name) => this.#endOne(encodeRequest(family, name))).length;
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }

  /** Gives false where it is gone already. */
  #endOne(body: Uint8Array): boolean {
    try {
      this.#exchange.change({ type: SOCK_DESTROY, flags: 0, body });
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.errnoName === 'ENOENT') return false;
      throw error;
    }
  }
}

function encodeRequest(family: number, name: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(REQUEST_BYTES);
  bytes.writeUInt8(family, 0);
  bytes.writeUInt8(IPPROTO_TCP, 1);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, CONNECTED, IS_LITTLE_ENDIAN);
  bytes.set(name, NAME_AT.request);
  return bytes;
}

/** Conditions one after the other; one that does not hold leads beyond the end, which is to refuse. */
function encodeFilter({ side, address, mark, mask }: SocketSelection, family: number): Uint8Array {
  const bytes = addressBytes(address);
  const isMarked = Buffer.alloc(8);
  const view = new DataView(isMarked.buffer, isMarked.byteOffset);
  view.setUint32(0, mark, IS_LITTLE_ENDIAN);
  view.setUint32(4, mask, IS_LITTLE_ENDIAN);
  const isOf = Buffer.alloc(8);
  isOf.writeUInt8(family, 0);
  isOf.writeUInt8(8 * bytes.byteLength, 1);
  // Any port.
  new DataView(isOf.buffer, isOf.byteOffset).setInt32(4, -1, IS_LITTLE_ENDIAN);
  const last = encodeCondition(BC_ADDRESS_COND[side], Buffer.concat([isOf, bytes]), 0);
  return Buffer.concat([encodeCondition(BC_MARK_COND, isMarked, last.byteLength), last]);
}

function encodeCondition(code: number, what: Uint8Array, behind: number): Uint8Array {
  const length = OPERATION_BYTES + what.byteLength;
  const bytes = Buffer.alloc(length);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(length, 1);
  new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, length + behind + OPERATION_BYTES, IS_LITTLE_ENDIAN);
  bytes.set(what, OPERATION_BYTES);
  return bytes;
}

/** @param address in canonical form */
function addressBytes(address: string): Uint8Array {
  if (!isIPv6(address)) return Uint8Array.from(address.split('.').map(Number));
  const [head = '', tail] = new SocketAddress({ family: 'ipv6', address }).address.split('::');
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''));
  const groups = Buffer.alloc(16);
  for (const [index, group] of (first ?? []).entries()) groups.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  for (const [index, group] of (last ?? []).toReversed().entries()) groups.writeUInt16BE(Number.parseInt(group, 16), 14 - 2 * index);
  return groups;
}
