import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { SocketAddress } from 'node:net';

/** A TCP socket of this network namespace that accepts connections. */
export interface ListeningSocket {
  /** Without brackets; `0.0.0.0` for all of IPv4, `::` for all of IPv6 and, mostly, IPv4. */
  readonly address: string;
  readonly port: number;
  readonly inode: number;
  /** The user that opened it. */
  readonly uid: number;
}

/** An IPv4 address on an IPv6 socket, which is in the way of IPv4. */
const MAPPED = '::ffff:';
/** The states of `include/net/tcp_states.h`. */
const TCP_LISTEN = '0A';

/** @see https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html */
export function readListeningSockets(): readonly ListeningSocket[] {
  return [...readTable('/proc/net/tcp'), ...readTable('/proc/net/tcp6')];
}

/** The ports that somebody listens on, at whatever address. */
export function listeningPorts(): ReadonlySet<number> {
  return new Set(readListeningSockets().map(({ port }) => port));
}

/** The processes that have the socket open, as far as this user may see; lowest first. */
export function findSocketOwners(inode: number): readonly number[] {
  const link = `socket:[${inode}]`;
  const pids = list('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => list(`/proc/${pid}/fd`).some((fd) => readLink(`/proc/${pid}/fd/${fd}`) === link)).sort((a, b) => a - b);
}

function* readTable(path: string): Generator<ListeningSocket> {
  for (const line of read(path).split('\n').slice(1)) {
    const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (state !== TCP_LISTEN || local === undefined) continue;
    const [address = '', port = ''] = local.split(':');
    yield { address: decodeAddress(address), port: Number.parseInt(port, 16), inode: Number(inode), uid: Number(uid) };
  }
}

/** The kernel prints each 32 bits of an address as a number of the machine, which is little-endian where Envoy runs. */
function decodeAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  const { address } = new SocketAddress({ family: 'ipv6', address: groups.join(':') });
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Without IPv6 there is no table for it.
    return '';
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
