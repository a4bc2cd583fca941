import { viewOf } from './codec.ts';
import { BpfError } from './error.ts';
import { native } from './native.ts';

const HEADER_BYTES = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
/** The kernel writes no more at once. */
const BUFFER_BYTES = 65_536;

/** What follows the header of a message. Numbers are as this machine has them. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: DataView;
}

export const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Asks routing netlink for all of something, in the network namespace of this thread.
 * @throws BpfError `netlink-failed`
 * @see https://docs.kernel.org/userspace-api/netlink/intro.html
 */
export function dump(type: number, body: Uint8Array): readonly NetlinkMessage[] {
  const lib = native();
  const fd = checked(lib.netlinkOpen());
  try {
    checked(lib.netlinkSend(fd, request(type, body)));
    const messages: NetlinkMessage[] = [];
    for (;;) {
      const buffer = new Uint8Array(BUFFER_BYTES);
      const size = checked(lib.netlinkReceive(fd, buffer));
      for (const message of messagesIn(buffer.subarray(0, size))) {
        if (message.type === NLMSG_DONE) return messages;
        if (message.type === NLMSG_ERROR) checked(message.body.getInt32(0, IS_LITTLE_ENDIAN));
        messages.push(message);
      }
    }
  } finally {
    lib.closeFd(fd);
  }
}

/** Attributes by their types, of which the upper bits say how they are nested. */
export function attributesIn(view: DataView): ReadonlyMap<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = 0; at + 4 <= view.byteLength; ) {
    const size = view.getUint16(at, IS_LITTLE_ENDIAN);
    if (size < 4 || at + size > view.byteLength) break;
    const type = view.getUint16(at + 2, IS_LITTLE_ENDIAN) & 0x3fff;
    found.set(type, new DataView(view.buffer, view.byteOffset + at + 4, size - 4));
    at += Math.ceil(size / 4) * 4;
  }
  return found;
}

function request(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + body.byteLength);
  const view = viewOf(message);
  view.setUint32(0, message.byteLength, IS_LITTLE_ENDIAN);
  view.setUint16(4, type, IS_LITTLE_ENDIAN);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, IS_LITTLE_ENDIAN);
  message.set(body, HEADER_BYTES);
  return message;
}

function* messagesIn(bytes: Uint8Array): Generator<NetlinkMessage> {
  const view = viewOf(bytes);
  for (let at = 0; at + HEADER_BYTES <= bytes.byteLength; ) {
    const size = view.getUint32(at, IS_LITTLE_ENDIAN);
    if (size < HEADER_BYTES || at + size > bytes.byteLength) return;
    const body = new DataView(bytes.buffer, bytes.byteOffset + at + HEADER_BYTES, size - HEADER_BYTES);
    yield { type: view.getUint16(at + 4, IS_LITTLE_ENDIAN), body };
    at += Math.ceil(size / 4) * 4;
  }
}

function checked(result: number): number {
  if (result < 0) throw new BpfError('netlink-failed', 'the kernel does not tell about devices', { errno: -result });
  return result;
}
