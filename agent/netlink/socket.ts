import koffi from 'koffi';
import { IS_LITTLE_ENDIAN, viewOf } from './message.ts';
import { LISTEN_ALL_NAMESPACES, MessageBuffer, SOL_NETLINK } from './message-buffer.ts';
import { NetlinkError } from './netlink-error.ts';

const AF_NETLINK = 16;
const ADDRESS_BYTES = 12;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
/** By the names of their headers in `linux/netlink.h`. */
const PROTOCOLS = { route: 0, 'sock-diag': 4, netfilter: 12 } as const;

export type NetlinkProtocol = keyof typeof PROTOCOLS;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const NETLINK_ADD_MEMBERSHIP = 1;
const MSG_TRUNC = 0x20;
const EAGAIN = 11;
const EPERM = 1;
/** Of the longest datagram that the kernel sends. */
const BUFFER_BYTES = 256 * 1024;
const ENOBUFS = 105;

/** Flags that a socket can be given; each is a number of SOL_NETLINK. */
const SOCKET_OPTIONS = { strictChecking: 12, listenAllNamespaces: LISTEN_ALL_NAMESPACES } as const;

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, size: number): number;
  setOption(fd: number, level: number, name: number, value: Int32Array, size: number): number;
  send(fd: number, bytes: Uint8Array, size: number, flags: number): number | bigint;
  receive(fd: number, message: bigint, flags: number): number | bigint;
  close(fd: number): number;
}

let bound: Libc | undefined;

function libc(): Libc {
  if (process.platform !== 'linux') throw new NetlinkError('unavailable', 'only Linux has netlink');
  if (bound === undefined) {
    const library = koffi.load(null);
    bound = {
      socket: library.func('int socket(int family, int type, int protocol)'),
      bind: library.func('int bind(int fd, const void *address, uint32_t size)'),
      setOption: library.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t size)'),
      send: library.func('intptr_t send(int fd, const void *bytes, size_t size, int flags)'),
      receive: library.func('intptr_t recvmsg(int fd, void *message, int flags)'),
      close: library.func('int close(int fd)'),
    };
  }
  return bound;
}

/** `struct sockaddr_nl` of any number and no groups. */
function ownAddress(): Uint8Array {
  const address = new Uint8Array(ADDRESS_BYTES);
  viewOf(address).setUint16(0, AF_NETLINK, IS_LITTLE_ENDIAN);
  return address;
}

/** Called while Node is being torn down, a callback would end the process by a fault. */
const watched = new Set<NetlinkSocket>();
process.once('exit', () => {
  for (const socket of watched) socket[Symbol.dispose]();
});

export interface Datagram {
  readonly bytes: Uint8Array;
  /** The namespace that it tells of, as this one numbers it; undefined for this one. */
  readonly namespace: number | undefined;
}

/** A socket of one of the kernel's netlink protocols, in the network namespace of the thread that opens it. Nothing waits. */
export class NetlinkSocket implements Disposable {
  #fd: number;
  #callback: (() => void) | undefined;
  #watch: { close(): void } | undefined;
  readonly #buffer = new MessageBuffer(BUFFER_BYTES);

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @param protocol default: `route` @throws NetlinkError `unavailable` */
  static open(protocol: NetlinkProtocol = 'route'): NetlinkSocket {
    const fd = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, PROTOCOLS[protocol]);
    if (fd < 0) throw new NetlinkError('unavailable', 'there is no netlink socket to be had', koffi.errno());
    const socket = new NetlinkSocket(fd);
    // The kernel gives it a number, without which it takes what it tells to all for what comes from this socket.
    if (libc().bind(fd, ownAddress(), ADDRESS_BYTES) === 0) return socket;
    const errno = koffi.errno();
    socket[Symbol.dispose]();
    throw new NetlinkError('unavailable', 'there is no netlink socket to be had', errno);
  }

  /** Gives false where this process may not. @throws NetlinkError `refused` */
  enable(option: keyof typeof SOCKET_OPTIONS): boolean {
    return this.#setOption(SOL_NETLINK, SOCKET_OPTIONS[option], 1);
  }

  /** Is told from now on what a multicast group is told. @throws NetlinkError `refused` */
  join(group: number): void {
    this.#setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  }

  /** How much may wait to be received; the kernel doubles it and has a limit. @throws NetlinkError `refused` */
  setReceiveBuffer(bytes: number): void {
    this.#setOption(SOL_SOCKET, SO_RCVBUF, bytes);
  }

  /** @throws NetlinkError `refused`, `closed` */
  send(bytes: Uint8Array): void {
    if (Number(libc().send(this.#openFd(), bytes, bytes.byteLength, 0)) < 0) {
      throw new NetlinkError('refused', 'the kernel took no request', koffi.errno());
    }
  }

  /**
   * The next datagram; undefined where none is there; `overrun` where some were lost.
   * @throws NetlinkError `refused`, `malformed`, `closed`
   */
  receive(): Datagram | 'overrun' | undefined {
    const size = Number(libc().receive(this.#openFd(), this.#buffer.prepare(), MSG_TRUNC));
    if (size > BUFFER_BYTES) throw new NetlinkError('malformed', `a datagram of ${size} bytes`);
    if (size >= 0) return { bytes: this.#buffer.copy(size), namespace: this.#buffer.namespace() };
    const errno = koffi.errno();
    if (errno === EAGAIN) return undefined;
    if (errno === ENOBUFS) {
      // A poll handle that has seen an error sees nothing any more.
      if (this.#callback !== undefined) this.onReadable(this.#callback);
      return 'overrun';
    }
    throw new NetlinkError('refused', 'nothing can be received', errno);
  }

  /** Calls whenever there is something to receive, until the socket is closed. Does not keep the process. */
  onReadable(callback: () => void): void {
    this.#watch?.close();
    this.#callback = callback;
    const handle = koffi.node.poll(this.#openFd(), { readable: true }, callback);
    handle.unref();
    this.#watch = handle;
    watched.add(this);
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    watched.delete(this);
    this.#watch?.close();
    this.#buffer[Symbol.dispose]();
    libc().close(this.#fd);
    this.#fd = -1;
  }

  #openFd(): number {
    if (this.#fd < 0) throw new NetlinkError('closed', 'the netlink socket is closed');
    return this.#fd;
  }

  #setOption(level: number, name: number, value: number): boolean {
    if (libc().setOption(this.#openFd(), level, name, Int32Array.of(value), 4) === 0) return true;
    const errno = koffi.errno();
    if (errno === EPERM) return false;
    throw new NetlinkError('refused', `option ${name} of a netlink socket`, errno);
  }
}
