/** How a value stands in memory: as C has it, in the byte order of this machine. */
export interface Codec<T> {
  /** In bytes. */
  readonly size: number;
  /** In bytes: where it may begin inside a struct. */
  readonly alignment: number;
  /** @throws RangeError where the value does not fit */
  encode(value: T, target: DataView, offset: number): void;
  /** What is returned shares no memory with the source. */
  decode(source: DataView, offset: number): T;
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export const u8: Codec<number> = integer(1, 0, 0xff, 'Uint8');
export const u16: Codec<number> = integer(2, 0, 0xffff, 'Uint16');
export const u32: Codec<number> = integer(4, 0, 0xffff_ffff, 'Uint32');
export const i8: Codec<number> = integer(1, -0x80, 0x7f, 'Int8');
export const i16: Codec<number> = integer(2, -0x8000, 0x7fff, 'Int16');
export const i32: Codec<number> = integer(4, -0x8000_0000, 0x7fff_ffff, 'Int32');

export const u64: Codec<bigint> = {
  size: 8,
  alignment: 8,
  encode(value, target, offset) {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is not an unsigned integer of 64 bits`);
    target.setBigUint64(offset, value, IS_LITTLE_ENDIAN);
  },
  decode: (source, offset) => source.getBigUint64(offset, IS_LITTLE_ENDIAN),
};

export const i64: Codec<bigint> = {
  size: 8,
  alignment: 8,
  encode(value, target, offset) {
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is not an integer of 64 bits`);
    target.setBigInt64(offset, value, IS_LITTLE_ENDIAN);
  },
  decode: (source, offset) => source.getBigInt64(offset, IS_LITTLE_ENDIAN),
};

/** So many bytes as they are, such as an address in network byte order. */
export function bytes(size: number, alignment = 1): Codec<Uint8Array> {
  return {
    size,
    alignment,
    encode(value, target, offset) {
      if (value.byteLength !== size) throw new RangeError(`${value.byteLength} bytes where there must be ${size}`);
      new Uint8Array(target.buffer, target.byteOffset + offset, size).set(value);
    },
    decode: (source, offset) => new Uint8Array(source.buffer, source.byteOffset + offset, size).slice(),
  };
}

/** A struct with its members in order, and the padding between and after them that C has, which is zero. */
export function struct<T extends object>(members: { readonly [N in keyof T]: Codec<T[N]> }): Codec<Readonly<T>>;
export function struct(members: Readonly<Record<string, Codec<unknown>>>): Codec<Readonly<Record<string, unknown>>> {
  let end = 0;
  let alignment = 1;
  const placed = Object.entries(members).map(([name, codec]) => {
    const at = roundUp(end, codec.alignment);
    end = at + codec.size;
    alignment = Math.max(alignment, codec.alignment);
    return { name, codec, at };
  });
  const size = roundUp(end, alignment);
  return {
    size,
    alignment,
    encode(value, target, offset) {
      new Uint8Array(target.buffer, target.byteOffset + offset, size).fill(0);
      for (const { name, codec, at } of placed) codec.encode(value[name], target, offset + at);
    },
    decode: (source, offset) => Object.fromEntries(placed.map(({ name, codec, at }) => [name, codec.decode(source, offset + at)])),
  };
}

/** So many values, one after the other. @param alignment where each begins; default: as C has it */
export function array<T>(element: Codec<T>, length: number, alignment = element.alignment): Codec<readonly T[]> {
  const stride = roundUp(element.size, alignment);
  return {
    size: stride * length,
    alignment,
    encode(values, target, offset) {
      if (values.length !== length) throw new RangeError(`${values.length} elements where there must be ${length}`);
      for (const [index, value] of values.entries()) element.encode(value, target, offset + index * stride);
    },
    decode: (source, offset) => Array.from({ length }, (_, index) => element.decode(source, offset + index * stride)),
  };
}

/** The bytes of an array, wherever it lies in its buffer. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Values one after the other. */
export function encodeAll<T>(codec: Codec<T>, values: readonly T[]): Uint8Array {
  const bytes = new Uint8Array(values.length * codec.size);
  const view = viewOf(bytes);
  for (const [index, value] of values.entries()) codec.encode(value, view, index * codec.size);
  return bytes;
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

type IntegerKind = 'Uint8' | 'Uint16' | 'Uint32' | 'Int8' | 'Int16' | 'Int32';

function integer(size: number, min: number, max: number, kind: IntegerKind): Codec<number> {
  return {
    size,
    alignment: size,
    encode(value, target, offset) {
      if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`${value} is not an integer from ${min} to ${max}`);
      target[`set${kind}`](offset, value, IS_LITTLE_ENDIAN);
    },
    decode: (source, offset) => source[`get${kind}`](offset, IS_LITTLE_ENDIAN),
  };
}
