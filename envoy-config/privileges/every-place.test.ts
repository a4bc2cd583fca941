import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { LuaSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/lua/v3/lua_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { type Step, stepsOf } from '../messages/path.ts';
import { findPrivileged } from './find-privileged.ts';
import { FIELDS, PARTS } from './tables.ts';
import { reachableMessages } from './testing/reachable-messages.ts';

const registry = envoyRegistry();
const fields = [...reachableMessages().values()].flatMap((desc) => desc.fields);
const anySchema = registry.getMessage(AnySchema.typeName) ?? assert.fail();

function foundWith(field: DescField, value: () => unknown): readonly (readonly Step[])[] {
  const message = reflect(field.parent);
  set(message, field, value());
  return findPrivileged(message, registry, new Set()).map(({ what, path }) => [what, ...stepsOf(path)]);
}

function set(message: ReflectMessage, field: DescField, value: unknown): void {
  if (field.fieldKind === 'map') message.get(field).set('a', value);
  else if (field.fieldKind === 'list') message.get(field).add(value);
  else message.set(field, value);
}

/** Where an item of a field stands. */
function stepsTo(field: DescField): readonly Step[] {
  if (field.fieldKind === 'map') return [field.jsonName, 'a'];
  return field.fieldKind === 'list' ? [field.jsonName, 0] : [field.jsonName];
}

const BROKEN = {
  'of an unknown type': { typeUrl: 'type.googleapis.com/unknown.Message' },
  'that cannot be decoded': { typeUrl: `type.googleapis.com/${LuaSchema.typeName}`, value: new Uint8Array([0xff]) },
  'without a type': { value: new Uint8Array([1]) },
};

test('a privileged extension is found in every Any, and so is what cannot be read', () => {
  const places = fields.filter(({ message }) => message?.typeName === AnySchema.typeName);
  assert.ok(places.length > 30);
  for (const field of places) {
    const lua = foundWith(field, () => reflect(anySchema, anyPack(LuaSchema, create(LuaSchema))));
    assert.deepEqual(lua.at(-1), [LuaSchema.typeName, ...stepsTo(field)], `${field.parent.typeName}.${field.name}`);
    for (const [title, any] of Object.entries(BROKEN)) {
      const broken = foundWith(field, () => reflect(anySchema, create(AnySchema, any)));
      assert.deepEqual(broken.at(-1), [AnySchema.typeName, ...stepsTo(field)], `${field.parent.typeName}.${field.name} ${title}`);
    }
    const missing = foundWith(field, () => reflect(anySchema, create(AnySchema)));
    assert.ok(missing.every(([what]) => what !== AnySchema.typeName));
  }
});

test('a privileged part is found in every field that may hold it', () => {
  const places = fields.flatMap((field) => (field.message && PARTS.has(field.message.typeName) ? [[field, field.message] as const] : []));
  const unused = new Set([...PARTS.keys()].filter((name) => !places.some(([, { typeName }]) => typeName === name)));
  for (const [field, part] of places) {
    const found = foundWith(field, () => reflect(part));
    const expected = [part.typeName, ...stepsTo(field)];
    assert.ok(
      found.some((use) => JSON.stringify(use) === JSON.stringify(expected)),
      `${field.parent.typeName}.${field.name}`,
    );
  }
  assert.deepEqual(
    [...unused].filter((name) => !isPartOfParts(name)),
    [],
    'parts that no config can hold',
  );
});

test('a privileged field is found where it is used', () => {
  for (const name of FIELDS.keys()) {
    const field = fields.find(({ parent, name: own }) => `${parent.typeName}.${own}` === name) ?? assert.fail(name);
    const found = foundWith(field, () => valueFor(field));
    assert.ok(
      found.some(([what, at]) => what === name && at === field.jsonName),
      name,
    );
  }
});

function valueFor(field: DescField): unknown {
  if (field.message) return reflect(field.message);
  if (field.fieldKind === 'enum') return 1;
  return field.scalar === ScalarType.BOOL ? true : 'x';
}

/** Whether a part is privileged as what another one holds, which an operator may have let in, or what an allowed extension does. */
function isPartOfParts(name: string): boolean {
  const holders = [...registry].filter(
    (desc): desc is DescMessage => desc.kind === 'message' && desc.fields.some(({ message }) => message?.typeName === name),
  );
  return holders.some(({ typeName }) => !reachableMessages().has(typeName));
}
