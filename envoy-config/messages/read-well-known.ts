import { type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import {
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  isWrapperDesc,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from '@bufbuild/protobuf/wkt';
import { isJsonObject } from './findings.ts';
import { below, type Path } from './path.ts';
import { readPacked } from './read-any.ts';
import { readScalar, wrongType } from './read-scalar.ts';
import type { Reading, ReadMessage } from './reading.ts';

const READERS: ReadonlyMap<string, ReadMessage> = new Map<string, ReadMessage>([
  [AnySchema.typeName, readPacked],
  [DurationSchema.typeName, readDuration],
  [FieldMaskSchema.typeName, readFieldMask],
  [ListValueSchema.typeName, readList],
  [StructSchema.typeName, readStruct],
  [TimestampSchema.typeName, readTimestamp],
  [ValueSchema.typeName, readAnyJson],
]);

/** What reads a type that JSON has a form of its own for; undefined for all others. */
export function readerOfWellKnown(schema: DescMessage): ReadMessage | undefined {
  return READERS.get(schema.typeName) ?? (isWrapperDesc(schema) ? readWrapper : undefined);
}

const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;
/** About ten thousand years. */
const MAX_SECONDS = 315_576_000_000n;
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;
const FIELD_MASK = /^(?:[a-z][A-Za-z0-9]*(?:[.,][a-z][A-Za-z0-9]*)*)?$/;

function readDuration(reading: Reading, schema: DescMessage, json: unknown, path: Path): ReflectMessage | undefined {
  if (typeof json !== 'string') return wrongType(reading, path, 'a duration as text, like "1.5s"', json);
  const [, sign, whole = '', fraction = ''] = DURATION.exec(json) ?? [];
  if (sign === undefined) return reading.wrong(path, 'InvalidValue', 'must be a duration in seconds, like "1.5s"');
  const seconds = BigInt(`${sign}${whole}`);
  if (seconds > MAX_SECONDS || seconds < -MAX_SECONDS) return reading.wrong(path, 'InvalidValue', 'is no duration that can be had');
  const nanos = Number(`${sign}${fraction.padEnd(9, '0')}`) + 0;
  const duration = reflect(schema);
  for (const field of duration.fields) duration.set(field, field.name === 'seconds' ? seconds : nanos);
  return duration;
}

function readTimestamp(reading: Reading, schema: DescMessage, json: unknown, path: Path): ReflectMessage | undefined {
  if (typeof json !== 'string') return wrongType(reading, path, 'a time as text, like "2026-01-31T12:00:00Z"', json);
  const day = TIMESTAMP.exec(json)?.[1];
  const read = day !== undefined && isDay(day) ? tryJson(schema, json) : undefined;
  return read ?? reading.wrong(path, 'InvalidValue', 'must be a time like "2026-01-31T12:00:00Z"');
}

/** Not all that is parsed is one: 30 February becomes a day in March. */
function isDay(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

function readFieldMask(reading: Reading, schema: DescMessage, json: unknown, path: Path): ReflectMessage | undefined {
  if (typeof json !== 'string') return wrongType(reading, path, 'names of fields as one text', json);
  const read = FIELD_MASK.test(json) ? tryJson(schema, json) : undefined;
  return read ?? reading.wrong(path, 'InvalidValue', 'must be names of fields in camelCase, with commas between them');
}

function tryJson(schema: DescMessage, json: string): ReflectMessage | undefined {
  try {
    return reflect(schema, fromJson(schema, json));
  } catch {
    return undefined;
  }
}

function readWrapper(reading: Reading, schema: DescMessage, json: unknown, path: Path): ReflectMessage | undefined {
  const wrapper = reflect(schema);
  for (const field of schema.fields) {
    const value = field.fieldKind === 'scalar' ? readScalar(reading, field.scalar, json, path) : undefined;
    if (value === undefined) return undefined;
    wrapper.set(field, value);
  }
  return wrapper;
}

function readStruct(reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  if (!isJsonObject(json)) return wrongType(reading, path, 'an object', json);
  return readAnyJson(reading, schema, json, path, depth - 1);
}

function readList(reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  if (!Array.isArray(json)) return wrongType(reading, path, 'a list', json);
  return readAnyJson(reading, schema, json, path, depth - 1);
}

function readAnyJson(reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  return checkJson(reading, json, path, depth) ? reflect(schema, fromJson(schema, json)) : undefined;
}

/** @param depth of the Value that stands for the JSON; an object or a list is a message in it, an entry of an object one in that */
function checkJson(reading: Reading, json: unknown, path: Path, depth: number): json is JsonValue {
  if (!reading.mayRead(path, depth)) return false;
  const before = reading.findings.count;
  if (Array.isArray(json)) {
    for (const [index, item] of json.entries()) checkJson(reading, item, below(path, index), depth + 2);
  } else if (isJsonObject(json)) {
    for (const [key, value] of Object.entries(json)) {
      const at = below(path, key);
      if (!key.isWellFormed()) reading.wrong(at, 'InvalidValue', 'is no Unicode text: half of a surrogate pair is missing');
      checkJson(reading, value, at, depth + 3);
    }
  } else {
    checkScalar(reading, json, path);
  }
  return reading.findings.count === before;
}

function checkScalar(reading: Reading, json: unknown, path: Path): void {
  if (json === null || typeof json === 'boolean') return;
  if (typeof json === 'string') {
    if (!json.isWellFormed()) reading.wrong(path, 'InvalidValue', 'is no Unicode text: half of a surrogate pair is missing');
  } else if (typeof json === 'number') {
    if (!Number.isFinite(json)) reading.wrong(path, 'InvalidValue', 'must be a finite number');
  } else {
    wrongType(reading, path, 'JSON', json);
  }
}
