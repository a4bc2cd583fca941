import { isIPv6 } from 'node:net';
import type { BpfMap, Program } from 'libbpf-ts';
import type { Identity } from '../../model/index.ts';
import { type Connection, type ConnectionKey, type ConnectionValue, decodeConnection } from './connections.ts';
import { encodeAddress } from './prefix.ts';

/** Where a pod is, of whose connections the agent asks its door. */
export interface PodPlace {
  /** Of the device that leads to it. */
  readonly ifindex: number;
  /** Its network namespace, as this one numbers it. */
  readonly namespace: number;
  /** Of the device's other end. */
  readonly mac: string;
}

const TCP = 6;
const ACK = 0x10;
/** The pod believes it until the opener says his own with his next segment, which it does not where that is smaller. */
const SMALLEST_WINDOW = 1;
const HOP_LIMIT = 64;
const ETHER_TYPES = { ipv4: 0x0800, ipv6: 0x86dd } as const;
/** `struct __sk_buff`: `cb` is the program's own, and nobody's else. */
const CONTEXT_BYTES = 192;
const CONTEXT_AT = { ifindex: 48, namespace: 52 } as const;
const TC_ACT_OK = 0;

/**
 * Has who opened a connection to one of these pods hear at once where it is not to go on, as he would when he sends something next. That is
 * so of those that are idle; others end when they have been answered.
 * @param isOf of whom connections are meant, by the identity
 * @returns how many were idle
 * @throws BpfError `run-failed`, `map-failed`
 */
export async function askDoors(
  program: Program,
  map: BpfMap<ConnectionKey, ConnectionValue>,
  pods: readonly PodPlace[],
  isOf: (peer: Identity) => boolean,
): Promise<number> {
  const places = new Map(pods.map((place) => [place.ifindex, place]));
  let count = 0;
  for await (const batch of map.batches()) {
    for (const [key, value] of batch) {
      const place = places.get(key.ifindex);
      if (place === undefined || key.protocol !== TCP || !isOf(value.peer)) continue;
      const connection = decodeConnection(key, value);
      if (connection.opened !== 'ingress' || connection.isClosing) continue;
      if (askDoor(program, connection, place)) count += 1;
    }
  }
  return count;
}

function askDoor(program: Program, connection: Connection, { ifindex, namespace, mac }: PodPlace): boolean {
  const context = new Uint8Array(CONTEXT_BYTES);
  const view = new DataView(context.buffer);
  view.setUint32(CONTEXT_AT.ifindex, ifindex, true);
  view.setUint32(CONTEXT_AT.namespace, namespace, true);
  return program.testRun(segmentOf(connection, mac), { context }).returned === TC_ACT_OK;
}

/** What the opener would send: without data, and without numbers, which are the program's to fill in. */
function segmentOf({ localAddress, localPort, remoteAddress, remotePort }: Connection, mac: string): Uint8Array {
  const family = isIPv6(localAddress) ? 'ipv6' : 'ipv4';
  const addresses = [remoteAddress, localAddress].map((address) => encodeAddress(address).subarray(family === 'ipv4' ? 12 : 0));
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(remotePort, 0);
  segment.writeUInt16BE(localPort, 2);
  segment.writeUInt8(5 << 4, 12);
  segment.writeUInt8(ACK, 13);
  segment.writeUInt16BE(SMALLEST_WINDOW, 14);
  const pseudo = Buffer.concat([...addresses, Buffer.from([0, 0, 0, segment.byteLength, 0, 0, 0, TCP])]);
  segment.writeUInt16BE(checksumOf(Buffer.concat([pseudo, segment])), 16);
  const header = family === 'ipv4' ? ipv4Header(segment.byteLength) : ipv6Header(segment.byteLength);
  const packet = Buffer.concat([header, ...addresses, segment]);
  if (family === 'ipv4') packet.writeUInt16BE(checksumOf(packet.subarray(0, 20)), 10);
  const ethernet = Buffer.alloc(14);
  ethernet.set(Buffer.from(mac.replaceAll(':', ''), 'hex'));
  ethernet.writeUInt16BE(ETHER_TYPES[family], 12);
  return Buffer.concat([ethernet, packet]);
}

/** RFC 791, up to the addresses. */
function ipv4Header(payloadBytes: number): Uint8Array {
  return Buffer.from([0x45, 0, 0, 20 + payloadBytes, 0, 0, 0, 0, HOP_LIMIT, TCP, 0, 0]);
}

/** RFC 8200, up to the addresses. */
function ipv6Header(payloadBytes: number): Uint8Array {
  return Buffer.from([0x60, 0, 0, 0, 0, payloadBytes, TCP, HOP_LIMIT]);
}

/** RFC 1071, of an even number of bytes. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.byteLength; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
