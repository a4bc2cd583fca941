import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readAddress, readLink, readNeighbour, readRoute } from './entries.ts';
import { encodeAttribute, encodeRequest, numberIn, readAttributes, readMessages, viewOf } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { readChange } from './route-monitor.ts';
import { MESSAGE_TYPES } from './route-netlink.ts';

const READERS = { readLink, readAddress, readNeighbour, readRoute };
/** Real ones are long, and what is wrong may stand far behind. */
const bytes = fc.uint8Array({ maxLength: 200 });

/** Anything is either understood or refused by the error that says so. */
function isReadOrRefused(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof NetlinkError, String(error));
    assert.equal(error.code, 'malformed');
  }
}

/** Attributes with true lengths around values of any kind: what random bytes hardly ever are. */
const attributes = fc.array(fc.tuple(fc.nat(64), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }).map((list) => {
  const parts = list.map(([type, value]) => {
    const part = new Uint8Array((4 + value.byteLength + 3) & ~3);
    const view = viewOf(part);
    view.setUint16(0, 4 + value.byteLength, true);
    view.setUint16(2, type, true);
    part.set(value, 4);
    return part;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
});

describe('messages', () => {
  test('requests are read as they were written', () => {
    fc.assert(
      fc.property(fc.nat(65_535), fc.nat(65_535), fc.nat(), bytes, (type, flags, sequence, body) => {
        const [message, ...others] = readMessages(encodeRequest({ type, flags, sequence, body }));
        assert.ok(message);
        assert.equal(others.length, 0);
        assert.deepEqual([message.type, message.flags, message.sequence], [type, flags, sequence]);
        assert.deepEqual(new Uint8Array(message.body.buffer, message.body.byteOffset, message.body.byteLength), body);
      }),
    );
  });

  test('attributes are read as they were written, after a fixed part', () => {
    const view = viewOf(Buffer.concat([new Uint8Array(8), encodeAttribute(7, -5), encodeAttribute(0x8009, 6)]));
    const read = [...readAttributes(view, 8)].map(([type, value]) => [type, numberIn(value)]);
    assert.deepEqual(read, [
      [7, -5],
      [9, 6],
    ]);
  });

  test('any bytes are messages, or malformed', () => {
    fc.assert(fc.property(bytes, (datagram) => isReadOrRefused(() => readMessages(datagram).map((message) => readChange(message)))));
  });

  for (const [name, read] of Object.entries(READERS)) {
    test(`${name}: any body is one, or malformed`, () => {
      fc.assert(fc.property(bytes, (body) => isReadOrRefused(() => read(viewOf(body)))));
      const fixed = fc.uint8Array({ minLength: 16, maxLength: 16 });
      fc.assert(fc.property(fixed, attributes, (head, tail) => isReadOrRefused(() => read(viewOf(Buffer.concat([head, tail]))))));
    });
  }

  test('what is no change of these kinds is none', () => {
    fc.assert(
      fc.property(fc.nat(65_535), bytes, (type, body) => {
        fc.pre(!Object.values<number>(MESSAGE_TYPES).includes(type) || [18, 22, 26, 30].includes(type));
        assert.equal(readChange({ type, flags: 0, sequence: 0, body: viewOf(body) }), undefined);
      }),
    );
  });
});
