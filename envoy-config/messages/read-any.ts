import type { DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { hasOwnJson, isTypedStruct, TYPE_KEY, typeNameOf } from './any-json.ts';
import { fieldOf } from './field-names.ts';
import { isJsonObject, kindOf, quoteName } from './findings.ts';
import { nearestName, suggest } from './nearest.ts';
import { below, type Path } from './path.ts';
import type { Reading } from './reading.ts';

/** Reads what a `google.protobuf.Any` holds and packs it, under the usual prefix of types. */
export function readPacked(reading: Reading, any: DescMessage, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  const before = reading.findings.count;
  const inner = readUnpacked(reading, json, path, depth + 1);
  // What is not whole may not be encoded: fields that it must have can be missing.
  return inner && reading.findings.count === before ? reflect(any, anyPack(inner.desc, inner.message)) : undefined;
}

/**
 * Reads an object that names its type under `@type`. A TypedStruct is replaced by the message that it describes, since Envoy converts it to
 * that, whatever it holds.
 */
export function readUnpacked(reading: Reading, json: unknown, path: Path, depth: number): ReflectMessage | undefined {
  if (!isJsonObject(json)) return reading.wrong(path, 'WrongType', `must be an object with "${TYPE_KEY}", not ${kindOf(json)}`);
  const written = Object.hasOwn(json, TYPE_KEY) ? json[TYPE_KEY] : undefined;
  if (written === undefined) return reading.wrong(path, 'MissingType', `must have "${TYPE_KEY}", the type of what it holds`);
  const schema = schemaNamed(reading, written, below(path, TYPE_KEY));
  if (!schema) return undefined;
  if (isTypedStruct(schema.typeName)) return readTypedStruct(reading, schema, json, path, depth);
  if (hasOwnJson(schema)) return readValueOf(reading, schema, json, path, depth);
  const { [TYPE_KEY]: _, ...fields } = json;
  return reading.readMessage(reading, schema, fields, path, depth);
}

/** Types whose JSON is no object, or one of any keys, stand under `value`. */
function readValueOf(reading: Reading, schema: DescMessage, json: object, path: Path, depth: number): ReflectMessage | undefined {
  for (const key of Object.keys(json)) {
    if (key === TYPE_KEY || key === 'value') continue;
    reading.wrong(below(path, key), 'UnknownField', `is not read: what a ${schema.typeName} holds stands under "value"`);
  }
  if (!Object.hasOwn(json, 'value')) return reading.wrong(path, 'MissingField', `must have "value", which holds the ${schema.typeName}`);
  return reading.readMessage(reading, schema, Reflect.get(json, 'value'), below(path, 'value'), depth);
}

function readTypedStruct(reading: Reading, schema: DescMessage, json: object, path: Path, depth: number): ReflectMessage | undefined {
  const given = new Map<string, { readonly key: string; readonly value: unknown; readonly at: Path }>();
  for (const [key, value] of Object.entries(json)) {
    if (key === TYPE_KEY) continue;
    const at = below(path, key);
    const name = fieldOf(schema, key)?.name;
    const other = name === undefined ? undefined : given.get(name);
    if (name === undefined) reading.wrong(at, 'UnknownField', `is no field of ${schema.typeName}, which has typeUrl and value`);
    else if (other) reading.wrong(at, 'DuplicateField', `is the same field as ${other.key}`);
    else given.set(name, { key, value, at });
  }
  const type = given.get('type_url');
  if (type?.value === undefined || type.value === null)
    return reading.wrong(path, 'MissingType', 'must have typeUrl, the type of its value');
  const described = schemaNamed(reading, type.value, type.at);
  if (!described) return undefined;
  if (isTypedStruct(described.typeName)) return reading.wrong(type.at, 'UnknownType', 'must not be a TypedStruct again');
  const content = given.get('value');
  return reading.readMessage(reading, described, content?.value ?? {}, content?.at ?? path, depth);
}

function schemaNamed(reading: Reading, written: unknown, path: Path): DescMessage | undefined {
  if (typeof written !== 'string') return reading.wrong(path, 'WrongType', `must be the name of a type as text, not ${kindOf(written)}`);
  const name = typeNameOf(written);
  return (
    reading.registry.getMessage(name) ??
    reading.wrong(
      path,
      'UnknownType',
      () => `is ${quoteName(name)}, which Envoy does not have${suggest(nearestType(name, reading.registry))}`,
    )
  );
}

const typesByShortName = new WeakMap<FileRegistry, ReadonlyMap<string, readonly string[]>>();

/** A type of the same short name, as one of an older API has, or of a similar one. */
function nearestType(name: string, registry: FileRegistry): string | undefined {
  const known = typesByShortName.get(registry) ?? shortNames(registry);
  typesByShortName.set(registry, known);
  const short = shortNameOf(name);
  const found = known.get(short) ?? known.get(nearestName(short, known.keys()) ?? '');
  // Of several the one that shares most with what was written, the shorter first.
  return found?.toSorted((a, b) => sharedStart(b, name) - sharedStart(a, name) || a.length - b.length)[0];
}

function shortNames(registry: FileRegistry): ReadonlyMap<string, readonly string[]> {
  const names = [...registry].filter(({ kind }) => kind === 'message').map(({ typeName }) => typeName);
  return Map.groupBy(names, shortNameOf);
}

function shortNameOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function sharedStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
