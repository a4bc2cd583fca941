import type { Server } from 'node:net';
import { isIPv6 } from 'node:net';
import koffi from 'koffi';

const SOL_SOCKET = 1;
const SO_MARK = 36;
const SOL_IPV6 = 41;
const IPV6_TRANSPARENT = 75;
const SOCK_STREAM = 1;
const AF = { ipv4: 2, ipv6: 10 } as const;

const libc = koffi.load(null);
const socket = libc.func('int socket(int family, int type, int protocol)');
const setOption = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t size)');
const bind = libc.func('int bind(int fd, const void *address, uint32_t size)');
const connect = libc.func('int connect(int fd, const void *address, uint32_t size)');
const close = libc.func('int close(int fd)');

/** Gives a server that listens on all of IPv6 and IPv4 a mark, and lets it answer from any address; what it accepts inherits both. Needs CAP_NET_ADMIN. */
export function markListener(server: Server, mark: number): void {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd = typeof handle === 'object' && handle !== null && 'fd' in handle ? Number(handle.fd) : -1;
  check('setsockopt', setOption(fd, SOL_SOCKET, SO_MARK, Int32Array.of(mark), 4));
  check('setsockopt', setOption(fd, SOL_IPV6, IPV6_TRANSPARENT, Int32Array.of(1), 4));
}

/** A connection whose packets have a mark from the first on. */
export class MarkedConnection implements Disposable {
  readonly #fd: number;

  /** Waits until the other side has answered. @param from an address of this machine */
  constructor({ mark, from, to, port }: { readonly mark: number; readonly from: string; readonly to: string; readonly port: number }) {
    this.#fd = check('socket', socket(AF[isIPv6(to) ? 'ipv6' : 'ipv4'], SOCK_STREAM, 0));
    check('setsockopt', setOption(this.#fd, SOL_SOCKET, SO_MARK, Int32Array.of(mark), 4));
    for (const [name, call, address] of [
      ['bind', bind, encodeAddress(from, 0)],
      ['connect', connect, encodeAddress(to, port)],
    ] as const) {
      check(name, call(this.#fd, address, address.byteLength));
    }
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

function check(name: string, result: number): number {
  if (result < 0) throw new Error(`${name}: errno ${koffi.errno()}`);
  return result;
}

/** `struct sockaddr_in` or `sockaddr_in6`; of IPv6 with one `::` and no dots. */
function encodeAddress(address: string, port: number): Uint8Array {
  const bytes = Buffer.alloc(isIPv6(address) ? 28 : 16);
  bytes.writeUInt16LE(AF[isIPv6(address) ? 'ipv6' : 'ipv4']);
  bytes.writeUInt16BE(port, 2);
  if (!isIPv6(address)) {
    bytes.set(address.split('.').map(Number), 4);
    return bytes;
  }
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  for (const [index, group] of head.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * index);
  for (const [index, group] of tail.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 24 - 2 * (tail.length - index));
  return bytes;
}
