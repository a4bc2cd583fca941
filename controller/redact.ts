import { type DescField, type FileRegistry, getOption, isMessage, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { sensitive } from '@sluice/envoy-protos/udpa/annotations/sensitive_pb.js';
import { isReflected } from '../envoy-config/messages/walk-message.ts';

export const REDACTED = '[redacted]';

/** What Envoy sends to servers of its own, by which they know who may ask. Envoy marks them as nothing; of these the values are secret, not the names. */
const HEADERS_OF_ENVOY: ReadonlySet<string> = new Set([
  'envoy.config.core.v3.GrpcService.initial_metadata',
  'envoy.config.core.v3.HttpService.request_headers_to_add',
]);
const HEADER_NAME = 'envoy.config.core.v3.HeaderValue.key';

/**
 * Replaces, in place, whatever Envoy's own descriptors mark as sensitive (private keys, passwords, tokens), at any depth and
 * inside of every `google.protobuf.Any`, and the headers that Envoy sends to servers of its own. So a message that is new to Sluice is covered on the day
 * that Envoy has it.
 * @see https://github.com/cncf/udpa/blob/main/udpa/annotations/sensitive.proto
 */
export function redactSensitive(message: ReflectMessage, registry: FileRegistry): void {
  redact(message, registry, false);
}

function redact(message: ReflectMessage, registry: FileRegistry, all: boolean): void {
  if (message.desc.typeName === AnySchema.typeName) {
    redactAny(message, registry, all);
    return;
  }
  for (const field of message.fields) {
    if (message.isSet(field) && nameOf(field) !== HEADER_NAME) redactField(message, field, registry, all || isSensitive(field));
  }
}

function isSensitive(field: DescField): boolean {
  return HEADERS_OF_ENVOY.has(nameOf(field)) || (field.proto.options !== undefined && getOption(field, sensitive));
}

function nameOf({ parent, name }: DescField): string {
  return `${parent.typeName}.${name}`;
}

function redactField(message: ReflectMessage, field: DescField, registry: FileRegistry, all: boolean): void {
  switch (field.fieldKind) {
    case 'message':
      redact(message.get(field), registry, all);
      return;
    case 'scalar':
      if (all) message.set(field, placeholder(field.scalar, message.get(field)));
      return;
    case 'list':
      redactList(message, field, registry, all);
      return;
    case 'map':
      redactMap(message, field, registry, all);
  }
}

function redactList(message: ReflectMessage, field: DescField & { fieldKind: 'list' }, registry: FileRegistry, all: boolean): void {
  const list = message.get(field);
  for (let index = 0; index < list.size; index++) {
    const item: unknown = list.get(index);
    if (isReflected(item)) redact(item, registry, all);
    else if (all && field.listKind === 'scalar') list.set(index, placeholder(field.scalar, item));
  }
}

function redactMap(message: ReflectMessage, field: DescField & { fieldKind: 'map' }, registry: FileRegistry, all: boolean): void {
  const map = message.get(field);
  for (const [key, value] of [...map]) {
    if (isReflected(value)) redact(value, registry, all);
    else if (all && field.mapKind === 'scalar') map.set(key, placeholder(field.scalar, value));
  }
}

/** Numbers and flags stay: Envoy does the same, and no secret is one. */
function placeholder(type: ScalarType, value: unknown): unknown {
  if (type === ScalarType.STRING) return REDACTED;
  return type === ScalarType.BYTES ? Buffer.from(REDACTED) : value;
}

function redactAny(reflected: ReflectMessage, registry: FileRegistry, all: boolean): void {
  const any = reflected.message;
  if (!isMessage(any, AnySchema)) return;
  const schema = registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1));
  const inner = schema && anyUnpack(any, schema);
  if (schema && inner) {
    redact(reflect(schema, inner), registry, all);
    any.value = anyPack(schema, inner).value;
  } else if (all) {
    any.value = new Uint8Array();
  }
}
