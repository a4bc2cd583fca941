import { WireType } from '@bufbuild/protobuf/wire';

const FIRST_BYTES = 4_096;
/** Of a varint of 32 bits. */
const LONGEST_VARINT = 5;

/**
 * Writes fields of a message where there are too many of them for an object each.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class WireWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** What was written, until more is. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** A number of 32 bits without a sign, or an enum; left out where it is 0, as proto3 does. */
  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#room(2 * LONGEST_VARINT);
    this.#varint((field << 3) | WireType.Varint);
    this.#varint(value);
  }

  /** A repeated number, packed. */
  packed(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.#room((values.length + 2) * LONGEST_VARINT);
    this.#varint((field << 3) | WireType.LengthDelimited);
    let length = 0;
    for (const value of values) length += lengthOfVarint(value);
    this.#varint(length);
    for (const value of values) this.#varint(value);
  }

  /** A message, or a text that is encoded already. */
  delimited(field: number, value: Uint8Array): void {
    this.#room(2 * LONGEST_VARINT + value.byteLength);
    this.#varint((field << 3) | WireType.LengthDelimited);
    this.#varint(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
  }

  #varint(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  #room(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.byteLength) return;
    const bytes = new Uint8Array(2 * needed);
    bytes.set(this.bytes);
    this.#bytes = bytes;
  }
}

function lengthOfVarint(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length += 1;
  return length;
}
