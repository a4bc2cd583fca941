import { BpfError } from '../error.ts';
import { slice, textAt } from './elf.ts';

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** In bits from the beginning. */
  readonly offset: number;
  /** Of a bit field, in bits; else 0. */
  readonly bits: number;
}

export interface BtfEnumValue {
  readonly name: string;
  readonly value: bigint;
}

/** What types say, as far as the layout of memory and the declarations of maps need it. */
export type BtfType =
  | { readonly kind: 'void' }
  | { readonly kind: 'int'; readonly name: string; readonly size: number; readonly isSigned: boolean; readonly bits: number }
  | { readonly kind: 'pointer'; readonly type: number }
  | { readonly kind: 'array'; readonly element: number; readonly length: number }
  | { readonly kind: 'struct' | 'union'; readonly name: string; readonly size: number; readonly members: readonly BtfMember[] }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly size: number;
      readonly isSigned: boolean;
      readonly values: readonly BtfEnumValue[];
    }
  /** Another name for a type, or a quality of it, such as `const`. */
  | { readonly kind: 'alias'; readonly name: string; readonly type: number }
  | { readonly kind: 'variable'; readonly name: string; readonly type: number }
  | { readonly kind: 'section'; readonly name: string; readonly variables: readonly number[] }
  /** Functions and forward declarations. */
  | { readonly kind: 'other'; readonly name: string };

const MAGIC = 0xeb9f;
const TYPE_BYTES = 12;
const MEMBER_BYTES = 12;
const SECTION_ENTRY_BYTES = 12;
const PARAMETER_BYTES = 8;
const ENUM_VALUE_BYTES = 8;
const ENUM64_VALUE_BYTES = 12;

/** As the kernel numbers them. */
const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  function: 12,
  prototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declarationTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

interface Head {
  readonly kind: number;
  readonly name: string;
  readonly length: number;
  readonly flag: boolean;
  /** A size or the number of a type. */
  readonly word: number;
  /** Where what follows begins. */
  readonly at: number;
}

/**
 * The types in a section `.BTF`, by their numbers.
 * @throws BpfError `open-failed`
 * @see https://docs.kernel.org/bpf/btf.html
 */
export function readBtf(section: DataView): readonly BtfType[] {
  try {
    return readTypes(section);
  } catch (error) {
    if (error instanceof RangeError) throw new BpfError('open-failed', 'the types of the object are cut off');
    throw error;
  }
}

/** The type that names and qualities are of. Damaged types may go round in a circle. */
export function unaliased(types: readonly BtfType[], type: number): number {
  let found = type;
  for (let steps = 0; steps < types.length; steps += 1) {
    const alias = types[found];
    if (alias?.kind !== 'alias') return found;
    found = alias.type;
  }
  return 0;
}

function readTypes(section: DataView): readonly BtfType[] {
  const little = section.getUint16(0, true) === MAGIC;
  if (!little && section.getUint16(0, false) !== MAGIC) throw new BpfError('open-failed', 'the types of the object are not BTF');
  const header = section.getUint32(4, little);
  const word = (at: number) => section.getUint32(at, little);
  const types = slice(section, header + word(8), word(12));
  const texts = slice(section, header + word(16), word(20));
  const all: BtfType[] = [{ kind: 'void' }];
  for (let at = 0; at < types.byteLength; ) {
    const info = types.getUint32(at + 4, little);
    const head: Head = {
      kind: (info >>> 24) & 0x1f,
      name: textAt(texts, types.getUint32(at, little)),
      length: info & 0xffff,
      flag: info >>> 31 === 1,
      word: types.getUint32(at + 8, little),
      at: at + TYPE_BYTES,
    };
    all.push(readType(head, types, texts, little));
    at = head.at + bytesAfter(head);
  }
  return all;
}

function readType({ kind, name, length, flag, word, at }: Head, types: DataView, texts: DataView, little: boolean): BtfType {
  switch (kind) {
    case KIND.int: {
      const encoding = types.getUint32(at, little);
      return { kind: 'int', name, size: word, isSigned: ((encoding >>> 24) & 1) === 1, bits: encoding & 0xff };
    }
    case KIND.pointer:
      return { kind: 'pointer', type: word };
    case KIND.array:
      return { kind: 'array', element: types.getUint32(at, little), length: types.getUint32(at + 8, little) };
    case KIND.struct:
    case KIND.union: {
      const members = Array.from({ length }, (_, index) => readMember(types, at + index * MEMBER_BYTES, { texts, little, hasBits: flag }));
      return { kind: kind === KIND.struct ? 'struct' : 'union', name, size: word, members };
    }
    case KIND.enum:
    case KIND.enum64: {
      const read = kind === KIND.enum ? readEnumValue : readEnum64Value;
      const values = Array.from({ length }, (_, index) => read(types, at, { index, texts, little, isSigned: flag }));
      return { kind: 'enum', name, size: word, isSigned: flag, values };
    }
    case KIND.typedef:
    case KIND.volatile:
    case KIND.const:
    case KIND.restrict:
    case KIND.typeTag:
      return { kind: 'alias', name, type: word };
    case KIND.variable:
      return { kind: 'variable', name, type: word };
    case KIND.section:
      return {
        kind: 'section',
        name,
        variables: Array.from({ length }, (_, index) => types.getUint32(at + index * SECTION_ENTRY_BYTES, little)),
      };
    default:
      return { kind: 'other', name };
  }
}

function readMember(
  types: DataView,
  at: number,
  { texts, little, hasBits }: { readonly texts: DataView; readonly little: boolean; readonly hasBits: boolean },
): BtfMember {
  const place = types.getUint32(at + 8, little);
  const name = textAt(texts, types.getUint32(at, little));
  const type = types.getUint32(at + 4, little);
  return hasBits ? { name, type, offset: place & 0xff_ffff, bits: place >>> 24 } : { name, type, offset: place, bits: 0 };
}

interface EnumContext {
  readonly index: number;
  readonly texts: DataView;
  readonly little: boolean;
  readonly isSigned: boolean;
}

function readEnumValue(types: DataView, start: number, { index, texts, little, isSigned }: EnumContext): BtfEnumValue {
  const at = start + index * ENUM_VALUE_BYTES;
  const value = isSigned ? types.getInt32(at + 4, little) : types.getUint32(at + 4, little);
  return { name: textAt(texts, types.getUint32(at, little)), value: BigInt(value) };
}

function readEnum64Value(types: DataView, start: number, { index, texts, little, isSigned }: EnumContext): BtfEnumValue {
  const at = start + index * ENUM64_VALUE_BYTES;
  const value = (BigInt(types.getUint32(at + 8, little)) << 32n) | BigInt(types.getUint32(at + 4, little));
  return { name: textAt(texts, types.getUint32(at, little)), value: isSigned ? BigInt.asIntN(64, value) : value };
}

function bytesAfter({ kind, length }: Head): number {
  switch (kind) {
    case KIND.int:
    case KIND.variable:
    case KIND.declarationTag:
      return 4;
    case KIND.array:
      return 12;
    case KIND.struct:
    case KIND.union:
      return length * MEMBER_BYTES;
    case KIND.enum:
      return length * ENUM_VALUE_BYTES;
    case KIND.prototype:
      return length * PARAMETER_BYTES;
    case KIND.section:
      return length * SECTION_ENTRY_BYTES;
    case KIND.enum64:
      return length * ENUM64_VALUE_BYTES;
    case KIND.pointer:
    case KIND.forward:
    case KIND.typedef:
    case KIND.volatile:
    case KIND.const:
    case KIND.restrict:
    case KIND.function:
    case KIND.float:
    case KIND.typeTag:
      return 0;
    default:
      throw new BpfError('open-failed', `the object has types of an unknown kind, ${kind}`);
  }
}
