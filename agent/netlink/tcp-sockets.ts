import { isIPv6 } from 'node:net';
import { encodeAddress } from '../../bpf/datapath/prefix.ts';
import { readIpAddress } from './entries.ts';
import { NetlinkExchange } from './exchange.ts';
import { encodeAttribute, IS_LITTLE_ENDIAN, numberIn, readAttributes, viewOf } from './message.ts';
import { NetlinkError } from './netlink-error.ts';

type Family = 'ipv4' | 'ipv6';

/** A connection of TCP in a network namespace. */
export interface TcpSocket {
  readonly family: Family;
  /** Its own address, in canonical form. */
  readonly source: string;
  readonly sourcePort: number;
  /** The other side's. */
  readonly destination: string;
  readonly destinationPort: number;
  /** SO_MARK. */
  readonly mark: number;
  /** By which the kernel knows it. */
  readonly id: Uint8Array;
}

/** As programs of the kernel name it. */
export function cookieOf({ id }: Pick<TcpSocket, 'id'>): bigint {
  const view = new DataView(id.buffer, id.byteOffset + COOKIE_AT);
  return BigInt(view.getUint32(0, IS_LITTLE_ENDIAN)) | (BigInt(view.getUint32(4, IS_LITTLE_ENDIAN)) << 32n);
}

export interface SocketSelection {
  /** What the bits `mask` of the socket's mark are (SO_MARK). */
  readonly mark: number;
  readonly mask: number;
  /** An address that one of its ends has, in canonical form. Absent: any. */
  readonly end?: { readonly side: keyof typeof BC_ADDRESS_COND; readonly address: string };
}

// include/uapi/linux/sock_diag.h and inet_diag.h
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const FAMILIES = { ipv4: 2, ipv6: 10 } as const satisfies Record<Family, number>;
const ADDRESS_BYTES = { ipv4: 4, ipv6: 16 } as const satisfies Record<Family, number>;
const IPPROTO_TCP = 6;
/** All states but that of listeners, TIME_WAIT and what has no connection yet, by their numbers in `include/net/tcp_states.h`. */
const CONNECTED = [1, 2, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0);
/** `struct inet_diag_req_v2`, whose last 48 bytes name a socket, as those from the fourth on of `struct inet_diag_msg` do. */
const REQUEST_BYTES = 56;
const ID_BYTES = 48;
/** Two words, the lower one first, at the end of a name. */
const COOKIE_AT = 40;
const ID_AT = { request: 8, answer: 4 } as const;
/** `struct inet_diag_msg`, in which ports are in network byte order. */
const ANSWER_BYTES = 72;
const SOURCE_PORT_AT = ID_AT.answer;
const DESTINATION_PORT_AT = ID_AT.answer + 2;
const SOURCE_AT = ID_AT.answer + 4;
const DESTINATION_AT = SOURCE_AT + 16;
const INET_DIAG_MARK = 15;
const INET_DIAG_REQ_BYTECODE = 1;
const BC_MARK_COND = 10;
const BC_ADDRESS_COND = { local: 7, remote: 8 } as const;
const OPERATION_BYTES = 4;
/** It has ended meanwhile. */
const GONE = new Set(['ENOENT', 'ESTALE']);

/**
 * The TCP connections of the network namespace of the thread that opens it. Needs CAP_NET_ADMIN. What it throws are NetlinkErrors.
 * @see https://man7.org/linux/man-pages/man7/sock_diag.7.html
 */
export class TcpSockets implements Disposable {
  readonly #exchange: NetlinkExchange;

  private constructor(exchange: NetlinkExchange) {
    this.#exchange = exchange;
  }

  /** @throws NetlinkError `unavailable`, `refused` */
  static open(): TcpSockets {
    return new TcpSockets(NetlinkExchange.open('sock-diag'));
  }

  /** Those that are open, or on the way there or from there. @throws NetlinkError `refused`, `interrupted`, `malformed` */
  list(selection: SocketSelection): readonly TcpSocket[] {
    const { end } = selection;
    if (end === undefined) return [...this.#listOf('ipv4', selection), ...this.#listOf('ipv6', selection)];
    return this.#listOf(isIPv6(end.address) ? 'ipv6' : 'ipv4', selection);
  }

  /**
   * Ends one with an error for whoever has it, and a reset for the other side. @returns false where it is gone already
   * @throws NetlinkError `refused`, with `EOPNOTSUPP` for a kernel without CONFIG_INET_DIAG_DESTROY
   */
  destroy({ family, id }: TcpSocket): boolean {
    try {
      this.#exchange.change({ type: SOCK_DESTROY, flags: 0, body: encodeRequest(family, id) });
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && GONE.has(error.errnoName ?? '')) return false;
      throw error;
    }
  }

  /** Ends all of them. @returns how many @throws as {@link TcpSockets.list} and {@link TcpSockets.destroy} */
  destroyAll(selection: SocketSelection): number {
    return this.list(selection).filter((socket) => this.destroy(socket)).length;
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }

  #listOf(family: Family, selection: SocketSelection): readonly TcpSocket[] {
    const filter = encodeAttribute(INET_DIAG_REQ_BYTECODE, encodeFilter(family, selection));
    const body = Buffer.concat([encodeRequest(family, new Uint8Array(ID_BYTES)), filter]);
    return this.#exchange.dump(SOCK_DIAG_BY_FAMILY, body, SOCK_DIAG_BY_FAMILY).map((message) => readSocket(family, message.body));
  }
}

function encodeRequest(family: Family, id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  bytes[0] = FAMILIES[family];
  bytes[1] = IPPROTO_TCP;
  viewOf(bytes).setUint32(4, CONNECTED, IS_LITTLE_ENDIAN);
  bytes.set(id, ID_AT.request);
  return bytes;
}

/** Conditions one after the other; one that does not hold leads beyond the end, which is to refuse. */
function encodeFilter(family: Family, { mark, mask, end }: SocketSelection): Uint8Array {
  const isMarked = new Uint8Array(8);
  const view = viewOf(isMarked);
  view.setUint32(0, mark, IS_LITTLE_ENDIAN);
  view.setUint32(4, mask, IS_LITTLE_ENDIAN);
  const last = end ? encodeCondition(BC_ADDRESS_COND[end.side], encodeHost(family, end.address), 0) : new Uint8Array();
  return Buffer.concat([encodeCondition(BC_MARK_COND, isMarked, last.byteLength), last]);
}

/** `struct inet_diag_hostcond`, of any port. */
function encodeHost(family: Family, address: string): Uint8Array {
  const bytes = encodeAddress(address).subarray(-ADDRESS_BYTES[family]);
  const head = new Uint8Array(8);
  head[0] = FAMILIES[family];
  head[1] = 8 * bytes.byteLength;
  viewOf(head).setInt32(4, -1, IS_LITTLE_ENDIAN);
  return Buffer.concat([head, bytes]);
}

function encodeCondition(code: number, what: Uint8Array, behind: number): Uint8Array {
  const length = OPERATION_BYTES + what.byteLength;
  const bytes = new Uint8Array(length);
  bytes[0] = code;
  bytes[1] = length;
  viewOf(bytes).setUint16(2, length + behind + OPERATION_BYTES, IS_LITTLE_ENDIAN);
  bytes.set(what, OPERATION_BYTES);
  return bytes;
}

function readSocket(family: Family, body: DataView): TcpSocket {
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  const addressAt = (offset: number) =>
    readIpAddress(FAMILIES[family], new DataView(body.buffer, body.byteOffset + offset, ADDRESS_BYTES[family])) ?? '';
  const mark = readAttributes(body, ANSWER_BYTES).get(INET_DIAG_MARK);
  return {
    family,
    source: addressAt(SOURCE_AT),
    sourcePort: body.getUint16(SOURCE_PORT_AT),
    destination: addressAt(DESTINATION_AT),
    destinationPort: body.getUint16(DESTINATION_PORT_AT),
    mark: mark ? numberIn(mark) : 0,
    id: bytes.slice(ID_AT.answer, ID_AT.answer + ID_BYTES),
  };
}
