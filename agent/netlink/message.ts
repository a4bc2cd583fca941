import { endianness } from 'node:os';
import { NetlinkError } from './netlink-error.ts';

// The framing that all netlink families share, in the byte order of this machine. @see https://docs.kernel.org/userspace-api/netlink/intro.html

export const IS_LITTLE_ENDIAN = endianness() === 'LE';

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The two bits above say how the value is written. */
const ATTRIBUTE_TYPE = 0x3fff;
const NESTED = 0x8000;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: DataView;
}

export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** An attribute whose value is a number of 32 bits, those bytes, or a text with a zero behind it. */
export function encodeAttribute(type: number, value: number | Uint8Array | string): Uint8Array {
  const bytes = bytesOf(value);
  const attribute = new Uint8Array(aligned(ATTRIBUTE_HEADER_BYTES + bytes.byteLength));
  const view = viewOf(attribute);
  view.setUint16(0, ATTRIBUTE_HEADER_BYTES + bytes.byteLength, IS_LITTLE_ENDIAN);
  view.setUint16(2, type, IS_LITTLE_ENDIAN);
  attribute.set(bytes, ATTRIBUTE_HEADER_BYTES);
  return attribute;
}

/** An attribute that holds others. */
export function nestAttributes(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return encodeAttribute(type | NESTED, Buffer.concat(attributes));
}

function bytesOf(value: number | Uint8Array | string): Uint8Array {
  if (typeof value === 'string') return new TextEncoder().encode(`${value}\0`);
  return typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
}

export function encodeRequest({ type, flags, sequence, body }: Request): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.byteLength, IS_LITTLE_ENDIAN);
  view.setUint16(4, type, IS_LITTLE_ENDIAN);
  view.setUint16(6, flags, IS_LITTLE_ENDIAN);
  view.setUint32(8, sequence, IS_LITTLE_ENDIAN);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** All messages of a datagram. @throws NetlinkError `malformed` */
export function readMessages(bytes: Uint8Array): readonly Message[] {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  for (let offset = 0; offset < bytes.byteLength; ) {
    const left = bytes.byteLength - offset;
    const length = left < HEADER_BYTES ? 0 : view.getUint32(offset, IS_LITTLE_ENDIAN);
    if (length < HEADER_BYTES || length > left) throw new NetlinkError('malformed', 'a message is not as long as it says');
    messages.push({
      type: view.getUint16(offset + 4, IS_LITTLE_ENDIAN),
      flags: view.getUint16(offset + 6, IS_LITTLE_ENDIAN),
      sequence: view.getUint32(offset + 8, IS_LITTLE_ENDIAN),
      body: new DataView(bytes.buffer, bytes.byteOffset + offset + HEADER_BYTES, length - HEADER_BYTES),
    });
    offset += aligned(length);
  }
  return messages;
}

/**
 * The attributes after a fixed part, by type; of several of one type the last.
 * @throws NetlinkError `malformed`
 */
export function readAttributes(view: DataView, fixedBytes = 0): ReadonlyMap<number, DataView> {
  return new Map(listAttributes(view, fixedBytes));
}

/** The attributes after a fixed part, in their order. @throws NetlinkError `malformed` */
export function listAttributes(view: DataView, fixedBytes = 0): readonly (readonly [type: number, value: DataView])[] {
  if (view.byteLength < fixedBytes) throw new NetlinkError('malformed', 'a message is shorter than its fixed part');
  const attributes: (readonly [number, DataView])[] = [];
  for (let offset = aligned(fixedBytes); offset < view.byteLength; ) {
    const left = view.byteLength - offset;
    const length = left < ATTRIBUTE_HEADER_BYTES ? 0 : view.getUint16(offset, IS_LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_BYTES || length > left) throw new NetlinkError('malformed', 'an attribute is not as long as it says');
    const type = view.getUint16(offset + 2, IS_LITTLE_ENDIAN) & ATTRIBUTE_TYPE;
    attributes.push([type, new DataView(view.buffer, view.byteOffset + offset + ATTRIBUTE_HEADER_BYTES, length - ATTRIBUTE_HEADER_BYTES)]);
    offset += aligned(length);
  }
  return attributes;
}

/** @throws NetlinkError `malformed` where it has another size */
export function numberIn(attribute: DataView): number {
  if (attribute.byteLength !== 4) throw new NetlinkError('malformed', 'a number is not of 32 bits');
  return attribute.getInt32(0, IS_LITTLE_ENDIAN);
}

export function textIn(attribute: DataView): string {
  return new TextDecoder().decode(attribute).replace(/\0.*$/s, '');
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
