import { type DescField, type DescMessage, type FileRegistry, isMessage } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { below, type Path } from './path.ts';

/**
 * Looks at a message, and may change it.
 * @param path what is in a `google.protobuf.Any` stands where the Any does, since JSON has its fields beside `@type`
 * @param inAny whether it was in one
 * @returns whether it changed the message
 */
export type Visit = (message: ReflectMessage, path: Path, inAny: boolean) => boolean;

/**
 * Visits a message and every one in it, outermost first, those in each `google.protobuf.Any` too, which is encoded again where something in
 * it changed. An Any whose type the registry does not know, or whose value is not of its type, is visited itself.
 * @returns whether anything changed
 */
export function walkMessage(message: ReflectMessage, registry: FileRegistry, visit: Visit, path: Path = undefined): boolean {
  return walk(message, registry, visit, path, false);
}

function walk(message: ReflectMessage, registry: FileRegistry, visit: Visit, path: Path, inAny: boolean): boolean {
  const isAny = message.desc.typeName === AnySchema.typeName;
  return (isAny ? walkAny(message, registry, visit, path) : undefined) ?? walkFields(message, registry, visit, path, inAny);
}

function walkFields(message: ReflectMessage, registry: FileRegistry, visit: Visit, path: Path, inAny: boolean): boolean {
  let changed = visit(message, path, inAny);
  for (const field of messageFields(message.desc)) {
    if (!message.isSet(field)) continue;
    for (const [child, at] of messagesIn(message, field, path)) {
      if (walk(child, registry, visit, at, false)) changed = true;
    }
  }
  return changed;
}

const WITH_MESSAGES = new WeakMap<DescMessage, readonly DescField[]>();

/** Most fields hold none. */
function messageFields(desc: DescMessage): readonly DescField[] {
  const known = WITH_MESSAGES.get(desc);
  if (known) return known;
  const fields = desc.fields.filter(({ message }) => message !== undefined);
  WITH_MESSAGES.set(desc, fields);
  return fields;
}

function* messagesIn(message: ReflectMessage, field: DescField, path: Path): Iterable<readonly [ReflectMessage, Path]> {
  const at = below(path, field.jsonName);
  if (field.fieldKind === 'message') yield [message.get(field), at];
  if (field.fieldKind === 'list' && field.listKind === 'message') {
    for (const [index, item] of [...message.get(field)].entries()) if (isReflected(item)) yield [item, below(at, index)];
  }
  if (field.fieldKind === 'map' && field.mapKind === 'message') {
    for (const [key, value] of [...message.get(field)]) if (isReflected(value)) yield [value, below(at, String(key))];
  }
}

/** @returns undefined where it is not known what is in it */
function walkAny({ message: any }: ReflectMessage, registry: FileRegistry, visit: Visit, path: Path): boolean | undefined {
  if (!isMessage(any, AnySchema)) return undefined;
  const schema = registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1));
  const inner = schema && unpack(any, schema);
  if (!schema || !inner) return undefined;
  const changed = walk(reflect(schema, inner), registry, visit, path, true);
  if (changed) any.value = anyPack(schema, inner).value;
  return changed;
}

function unpack(any: Parameters<typeof anyUnpack>[0], schema: Parameters<typeof anyUnpack>[1]) {
  try {
    return anyUnpack(any, schema);
  } catch {
    return undefined;
  }
}

/** Tells messages from scalars among what stands in lists and maps. */
export function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === 'object' && value !== null && 'desc' in value && 'message' in value;
}
