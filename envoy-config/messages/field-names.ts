import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { nearestName } from './nearest.ts';

const fieldsByMessage = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The field that a key of JSON means, in camelCase or as it is declared. */
export function fieldOf(schema: DescMessage, key: string): DescField | undefined {
  let fields = fieldsByMessage.get(schema);
  if (!fields) {
    fields = new Map(schema.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]));
    fieldsByMessage.set(schema, fields);
  }
  return fields.get(key);
}

/** The field that was probably meant by a key that is none, spelled in the way of the key. */
export function nearestField(schema: DescMessage, key: string): string | undefined {
  const snake = key.includes('_');
  return nearestName(
    key,
    schema.fields.map(({ name, jsonName }) => (snake ? name : jsonName)),
  );
}
