import type { DescField, DescMessage, FileRegistry, JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { ReferenceKind } from '../meaning.ts';
import { MEANINGS } from '../table.ts';

/** A reference as it stands in canonical JSON. */
export interface Written {
  readonly to: ReferenceKind;
  readonly name: string;
  /** Steps joined with a character that stands in none of the random names. */
  readonly path: string;
  readonly field: string;
}

/** They have forms of their own in JSON, and no names in them. */
const SPECIAL =
  /^google\.protobuf\.(Duration|Timestamp|FieldMask|Struct|Value|ListValue|(Bool|Bytes|Double|Float|String|U?Int(32|64))Value)$/;

/** Renames references in the canonical JSON of a message: the long way round to what `rewriteReferences` does to the message. */
export function renameJson(
  desc: DescMessage,
  json: JsonValue,
  registry: FileRegistry,
  rename: (written: Written) => string,
  path = '',
): JsonValue {
  if (desc.typeName === 'google.protobuf.Any') return renameAny(json, registry, rename, path);
  if (SPECIAL.test(desc.typeName) || !isObject(json)) return json;
  const renamed: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find(({ jsonName }) => jsonName === key);
    if (!field) throw new Error(`${desc.typeName} has no ${key}`);
    renamed[key] = renameField(field, json, value, registry, rename, `${path} ${key}`);
  }
  return renamed;
}

function renameAny(json: JsonValue, registry: FileRegistry, rename: (written: Written) => string, path: string): JsonValue {
  if (!isObject(json) || typeof json['@type'] !== 'string') return json;
  const { '@type': type, ...inner } = json;
  const desc = registry.getMessage(type.slice(type.lastIndexOf('/') + 1));
  if (!desc) throw new Error(`no ${type}`);
  const renamed = renameJson(desc, inner, registry, rename, path);
  return isObject(renamed) ? { '@type': type, ...renamed } : renamed;
}

function renameField(
  field: DescField,
  holder: JsonObject,
  value: JsonValue,
  registry: FileRegistry,
  rename: (written: Written) => string,
  path: string,
): JsonValue {
  const own = `${field.parent.typeName}.${field.name}`;
  const meaning = MEANINGS.get(own);
  const beside = meaning?.kind === 'reference' && field.parent.fields.find(({ name }) => name === meaning.onlyWith);
  const isReference = meaning?.kind === 'reference' && (!beside || beside.jsonName in holder);
  const named = (name: string, at: string) => (isReference && name !== '' ? rename({ to: meaning.to, name, path: at, field: own }) : name);
  const inner = (item: JsonValue, at: string): JsonValue => {
    if (field.message) return renameJson(field.message, item, registry, rename, at);
    return typeof item === 'string' && field.fieldKind !== 'map' ? named(item, at) : item;
  };
  if (field.fieldKind === 'list' && Array.isArray(value)) return value.map((item, index) => inner(item, `${path} ${index}`));
  if (field.fieldKind !== 'map' || !isObject(value)) return inner(value, path);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [named(key, `${path} ${key}`), inner(item, `${path} ${key}`)]));
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
