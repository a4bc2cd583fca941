import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { LuaSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/lua/v3/lua_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import fc from 'fast-check';
import { type Step, stepsOf } from '../messages/path.ts';
import { findPrivileged } from './find-privileged.ts';
import { nestings } from './testing/nestings.ts';
import { any, foundIn, resource } from './testing/resources.ts';

const LUA = LuaSchema.typeName;
const registry = envoyRegistry();

test('whatever a privileged filter is wrapped in, it is found, at its path', () => {
  const property = fc.property(nestings, ({ kind, wrap }) => {
    const message = resource(kind, wrap(any(LUA, { statPrefix: 'here' })));
    const uses = findPrivileged(message, registry, new Set());
    assert.deepEqual(
      uses.map(({ what }) => what),
      [LUA],
    );
    const [use] = uses;
    const there = follow(toJson(message.desc, message.message, { registry }), use ? stepsOf(use.path) : []);
    assert.deepEqual(there, any(LUA, { statPrefix: 'here' }));
  });
  fc.assert(property, { numRuns: 500 });
});

test('whatever a harmless filter is wrapped in, nothing is found', () => {
  const property = fc.property(nestings, ({ kind, wrap }) => {
    assert.deepEqual(foundIn(resource(kind, wrap(any('e.filters.http.cors.v3.Cors')))), []);
  });
  fc.assert(property, { numRuns: 200 });
});

/** What stands at a path of canonical JSON. What is in an Any in an Any is under `value` there, and stands in the place of both here. */
function follow(json: JsonValue, steps: readonly Step[]): JsonValue | undefined {
  let at: JsonValue | undefined = json;
  for (const step of steps) {
    at = inside(at);
    at = Array.isArray(at) ? at[Number(step)] : isObject(at) ? at[String(step)] : undefined;
  }
  return inside(at);
}

function inside(json: JsonValue | undefined): JsonValue | undefined {
  return isObject(json) && String(json['@type']).endsWith('/google.protobuf.Any') ? inside(json['value']) : json;
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
