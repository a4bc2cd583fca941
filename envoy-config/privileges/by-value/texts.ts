import { type DescField, type JsonValue, ScalarType, toJson } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { below, type Path } from '../../messages/path.ts';
import { type PrivilegedUse, useOf } from '../privileged-use.ts';
import { EXTENSIONS, FIELDS } from '../tables.ts';

/** Operators of formats by which Envoy tells what is the node's, and what lets in the same said otherwise. */
const OPERATORS = {
  ENVIRONMENT: 'envoy.config.core.v3.DataSource.environment_variable',
  FILE_CONTENT: 'envoy.extensions.formatter.file_content.v3.FileContent',
};

/** Messages that JSON has as a value without fields: what is in them is looked at where they stand. */
const PLAIN = new Set(['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.ListValue', 'google.protobuf.StringValue']);

export function isPlain(typeName: string): boolean {
  return PLAIN.has(typeName);
}

/** Whether a field holds texts, in which a format may stand: Envoy's descriptors do not say which of them are formats. */
export function holdsText(field: DescField): boolean {
  if (field.message) return PLAIN.has(field.message.typeName);
  return field.fieldKind !== 'enum' && (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES);
}

/** @param field holds texts */
export function usesOfText(message: ReflectMessage, field: DescField, path: Path): PrivilegedUse[] {
  const texts = textsOf(message, field);
  const at = below(path, field.jsonName);
  const uses: PrivilegedUse[] = [];
  for (const [operator, what] of Object.entries(OPERATORS)) {
    const privilege = FIELDS.get(what) ?? EXTENSIONS.get(what);
    if (privilege && texts.some((text) => asksFor(text, operator))) uses.push(useOf(what, privilege, at));
  }
  if (texts.includes('sluice.slot')) uses.push(useOf(`${message.desc.typeName}.${field.name}`, OWN, at));
  return uses;
}

/** `%COALESCE(…)%` holds other operators in JSON, where letters may be written as their numbers. */
function asksFor(text: string, operator: string): boolean {
  return text.includes(`%${operator}(`) || (text.includes('%COALESCE(') && (text.includes(operator) || text.includes('\\u')));
}

/** The namespace by which filters of a slot tell each other what they found out about a request. */
const OWN = { why: 'the filters by which policies are enforced tell each other by this name', never: true } as const;

function textsOf(message: ReflectMessage, field: DescField): readonly string[] {
  if (field.fieldKind === 'list') return [...message.get(field)].flatMap(textsIn);
  if (field.fieldKind === 'map') return [...message.get(field).values()].flatMap(textsIn);
  return textsIn(message.get(field));
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')];
  return isReflectMessage(value) ? stringsIn(toJson(value.desc, value.message)) : [];
}

function stringsIn(json: JsonValue): readonly string[] {
  if (typeof json === 'string') return [json];
  return typeof json === 'object' && json !== null ? Object.values(json).flatMap(stringsIn) : [];
}
