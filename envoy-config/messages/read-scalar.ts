import { type DescEnum, ScalarType } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { kindOf, quoteName } from './findings.ts';
import { nearestName, suggest } from './nearest.ts';
import type { Path } from './path.ts';
import type { Reading } from './reading.ts';

const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const UINT32 = { min: 0, max: 2 ** 32 - 1 };
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const UINT64 = { min: 0n, max: 2n ** 64n - 1n };

const WHOLE = /^-?\d{1,30}$/;
const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const SPECIAL: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/**
 * Reads a scalar from canonical JSON: numbers also from text, 64 bits as bigint, bytes from base64 of either alphabet.
 * @returns undefined where it is none, which has been found then
 * @see https://protobuf.dev/programming-guides/json/
 */
export function readScalar(reading: Reading, type: ScalarType, json: unknown, path: Path): unknown {
  switch (type) {
    case ScalarType.STRING:
      return readText(reading, json, path);
    case ScalarType.BOOL:
      return typeof json === 'boolean' ? json : wrongType(reading, path, 'true or false', json);
    case ScalarType.BYTES:
      return readBytes(reading, json, path);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return readFloat(reading, type, json, path);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return readInteger(reading, INT32, json, path);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return readInteger(reading, UINT32, json, path);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return readLong(reading, INT64, json, path);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return readLong(reading, UINT64, json, path);
  }
}

/** A value of an enum by its name or number. */
export function readEnum(reading: Reading, { typeName, values, value: byNumber }: DescEnum, json: unknown, path: Path): number | undefined {
  if (typeof json === 'number') {
    return byNumber[json]?.number ?? reading.wrong(path, 'UnknownEnumValue', `is no number of ${typeName}`);
  }
  if (typeof json !== 'string') return wrongType(reading, path, 'the name of a value as text', json);
  const found = values.find(({ name }) => name === json);
  if (found) return found.number;
  return reading.wrong(path, 'UnknownEnumValue', () => {
    const names = values.map(({ name }) => name);
    return `is ${quoteName(json)}, which ${typeName} does not have${suggest(nearestName(json, names)) || oneOf(names)}`;
  });
}

const MAX_NAMES = 12;

function oneOf(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return `; it has ${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export function wrongType(reading: Reading, path: Path, expected: string, json: unknown): undefined {
  return reading.wrong(path, 'WrongType', `must be ${expected}, not ${kindOf(json)}`);
}

function readText(reading: Reading, json: unknown, path: Path): string | undefined {
  if (typeof json === 'number' || typeof json === 'boolean') {
    return reading.wrong(path, 'WrongType', `must be a text, not ${kindOf(json)}: put it in quotes`);
  }
  if (typeof json !== 'string') return wrongType(reading, path, 'a text', json);
  return json.isWellFormed() ? json : reading.wrong(path, 'InvalidValue', 'is no Unicode text: half of a surrogate pair is missing');
}

function readBytes(reading: Reading, json: unknown, path: Path): Uint8Array | undefined {
  if (typeof json !== 'string') return wrongType(reading, path, 'bytes as text in base64', json);
  const unpadded = json.replace(/=+$/, '');
  if (!BASE64.test(json) || unpadded.length % 4 === 1) return reading.wrong(path, 'InvalidValue', 'must be base64');
  return base64Decode(unpadded);
}

function readFloat(reading: Reading, type: ScalarType, json: unknown, path: Path): number | undefined {
  const special = SPECIAL.get(json);
  if (special !== undefined) return special;
  const value = typeof json === 'string' && DECIMAL.test(json) ? Number(json) : json;
  if (typeof value !== 'number') return wrongType(reading, path, 'a number', json);
  if (!Number.isFinite(value)) {
    return reading.wrong(path, 'InvalidValue', 'must be a finite number, or "NaN", "Infinity" or "-Infinity" as text');
  }
  const fits = type === ScalarType.DOUBLE || Number.isFinite(Math.fround(value));
  return fits ? value : reading.wrong(path, 'InvalidValue', 'is too large for 32 bits');
}

function readInteger(reading: Reading, { min, max }: typeof INT32, json: unknown, path: Path): number | undefined {
  const value = typeof json === 'string' && DECIMAL.test(json) ? Number(json) : json;
  if (typeof value !== 'number') return wrongType(reading, path, 'a whole number', json);
  if (!Number.isInteger(value)) return reading.wrong(path, 'InvalidValue', 'must be a whole number');
  // No negative zero, which is not what zero is encoded as.
  return value >= min && value <= max ? value + 0 : reading.wrong(path, 'InvalidValue', `must be from ${min} to ${max}`);
}

function readLong(reading: Reading, { min, max }: typeof INT64, json: unknown, path: Path): bigint | undefined {
  const value = typeof json === 'string' && WHOLE.test(json) ? BigInt(json) : json;
  if (typeof value === 'bigint') {
    return value >= min && value <= max ? value : reading.wrong(path, 'InvalidValue', `must be from ${min} to ${max}`);
  }
  if (typeof value !== 'number') return wrongType(reading, path, 'a whole number', json);
  if (!Number.isInteger(value)) return reading.wrong(path, 'InvalidValue', 'must be a whole number');
  if (!Number.isSafeInteger(value)) {
    return reading.wrong(path, 'InvalidValue', 'is too large to be exact as a number: write it as text, in quotes');
  }
  return BigInt(value) >= min ? BigInt(value) : reading.wrong(path, 'InvalidValue', `must be from ${min} to ${max}`);
}
