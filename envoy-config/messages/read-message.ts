import { type DescField, type DescMessage, type DescOneof, type FileRegistry, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence, ValueSchema } from '@bufbuild/protobuf/wkt';
import { fieldOf, nearestField } from './field-names.ts';
import { isJsonObject, type MessageFinding } from './findings.ts';
import { suggest } from './nearest.ts';
import { below, type Path } from './path.ts';
import { readUnpacked } from './read-any.ts';
import { readEnum, readScalar, wrongType } from './read-scalar.ts';
import { readerOfWellKnown } from './read-well-known.ts';
import { Reading } from './reading.ts';

export type ReadResult =
  /** It holds nothing that the registry does not know, no TypedStruct, and is nested no deeper than protobuf libraries decode. */
  | { readonly read: true; readonly message: ReflectMessage }
  /** At least one, in the order of the JSON; the first hundred, then how many more. */
  | { readonly read: false; readonly findings: readonly MessageFinding[] };

/**
 * Reads a message from canonical JSON, as YAML or the API of Kubernetes gives it, and finds all that is wrong. Stricter than the decoders of
 * protobuf where these guess: an unknown number of an enum, a number that is not exact, and an Any without a type are refused.
 * @see https://protobuf.dev/programming-guides/json/
 */
export function readMessage(json: unknown, schema: DescMessage, registry: FileRegistry): ReadResult {
  const reading = new Reading(registry, readMessageAt);
  return resultOf(reading, readMessageAt(reading, schema, json, undefined, 1));
}

/** As `readMessage`, for an object that names its type under `@type`. The message is what it holds, a TypedStruct what that describes. */
export function readAny(json: unknown, registry: FileRegistry): ReadResult {
  const reading = new Reading(registry, readMessageAt);
  return resultOf(reading, readUnpacked(reading, json, undefined, 1));
}

function resultOf({ findings }: Reading, message: ReflectMessage | undefined): ReadResult {
  return message && findings.count === 0 ? { read: true, message } : { read: false, findings: findings.list() };
}

function readMessageAt(reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  if (!reading.mayRead(path, depth)) return undefined;
  return (readerOfWellKnown(schema) ?? readFields)(reading, schema, json, path, depth);
}

function readFields(reading: Reading, schema: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  if (!isJsonObject(json)) return wrongType(reading, path, `an object, a ${schema.typeName}`, json);
  const message = reflect(schema);
  const given = new Map<DescField | DescOneof, string>();
  for (const key of Object.keys(json)) {
    const at = below(path, key);
    const field = fieldOf(schema, key);
    if (!field) {
      reading.wrong(at, 'UnknownField', () => `is no field of ${schema.typeName}${suggest(nearestField(schema, key))}`);
    } else if (given.has(field)) {
      reading.wrong(at, 'DuplicateField', `is the same field as ${given.get(field)}`);
    } else {
      given.set(field, key);
      if (json[key] === null && !isNullable(field)) continue;
      claimOneof(reading, given, field, key, at);
      readField(reading, message, field, json[key], at, depth);
    }
  }
  for (const field of schema.fields) {
    if (field.presence !== FeatureSet_FieldPresence.LEGACY_REQUIRED || given.has(field)) continue;
    reading.wrong(below(path, field.jsonName), 'MissingField', `is required by ${schema.typeName}`);
  }
  return message;
}

function claimOneof(reading: Reading, given: Map<DescField | DescOneof, string>, { oneof }: DescField, key: string, path: Path): void {
  if (!oneof) return;
  const other = given.get(oneof);
  if (other === undefined) given.set(oneof, key);
  else
    reading.wrong(path, 'OneofConflict', `cannot be together with ${other}: of ${oneof.parent.typeName}.${oneof.name} there is only one`);
}

function readField(reading: Reading, message: ReflectMessage, field: DescField, json: unknown, path: Path, depth: number): void {
  if (field.fieldKind === 'list') {
    readList(reading, message, field, json, path, depth);
  } else if (field.fieldKind === 'map') {
    readMap(reading, message, field, json, path, depth);
  } else {
    const value = readOne(reading, field, json, path, depth);
    if (value !== undefined) message.set(field, value);
  }
}

type ListField = DescField & { fieldKind: 'list' };

function readList(reading: Reading, message: ReflectMessage, field: ListField, json: unknown, path: Path, depth: number): void {
  if (!Array.isArray(json)) {
    wrongType(reading, path, 'a list', json);
    return;
  }
  const list = message.get(field);
  for (const [index, item] of json.entries()) {
    const value = readOne(reading, field, item, below(path, index), depth);
    if (value !== undefined) list.add(value);
  }
}

type MapField = DescField & { fieldKind: 'map' };

function readMap(reading: Reading, message: ReflectMessage, field: MapField, json: unknown, path: Path, depth: number): void {
  if (!isJsonObject(json)) {
    wrongType(reading, path, 'an object, whose keys are its own', json);
    return;
  }
  const map = message.get(field);
  const given = new Set<unknown>();
  for (const written of Object.keys(json)) {
    const at = below(path, written);
    const key = readKey(reading, field.mapKey, written, at);
    // An entry is a message around its value.
    const value = readOne(reading, field, json[written], at, depth + 1);
    if (key !== undefined && given.has(key)) reading.wrong(at, 'DuplicateField', 'is the same key as another one');
    given.add(key);
    if (key !== undefined && value !== undefined) map.set(key, value);
  }
}

function readKey(reading: Reading, type: ScalarType, written: string, path: Path): unknown {
  const isFlag = type === ScalarType.BOOL && (written === 'true' || written === 'false');
  return readScalar(reading, type, isFlag ? written === 'true' : written, path);
}

/** A singular field, an item of a list or a value of a map. */
function readOne(reading: Reading, field: DescField, json: unknown, path: Path, depth: number): unknown {
  if (field.message) return readMessageAt(reading, field.message, json, path, depth + 1);
  if (!reading.mayRead(path, depth)) return undefined;
  if (field.enum) return json === null && isNullable(field) ? 0 : readEnum(reading, field.enum, json, path);
  return readScalar(reading, field.scalar, json, path);
}

/** Null is a value of its own for two types; for fields of all others it says that they are not set. */
function isNullable(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false;
  return field.message?.typeName === ValueSchema.typeName || field.enum?.typeName === 'google.protobuf.NullValue';
}
