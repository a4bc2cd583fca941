import koffi, { type LibraryHandle } from 'koffi';
import type { Native } from './native.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

/** Routing netlink, in the network namespace of the thread that calls. */
export function bindNetlink(libc: LibraryHandle): Pick<Native, 'netlinkOpen' | 'netlinkSend' | 'netlinkReceive'> {
  const socket = libc.func('int socket(int family, int type, int protocol)');
  const send = libc.func('intptr_t send(int fd, const void *bytes, size_t size, int flags)');
  const receive = libc.func('intptr_t recv(int fd, void *bytes, size_t size, int flags)');
  const checked = (result: number | bigint) => (Number(result) < 0 ? -koffi.errno() : Number(result));
  return {
    netlinkOpen: () => checked(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)),
    netlinkSend: (fd, message) => checked(send(fd, message, message.byteLength, 0)),
    netlinkReceive: (fd, buffer) => checked(receive(fd, buffer, buffer.byteLength, 0)),
  };
}
