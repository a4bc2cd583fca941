import { protoCamelCase, protoSnakeCase } from '@bufbuild/protobuf/reflect';
import { isTypedStruct, TYPE_KEY, typeNameOf } from './any-json.ts';
import { isJsonObject } from './findings.ts';
import type { Step } from './path.ts';

/**
 * The path that the user wrote, for one of a message that was read from `json`: keys as they are spelled there, and with the step into a
 * TypedStruct, whose message stands in its place. What was not written, since it is missing, is spelled like what is around it.
 * @param path of names as canonical JSON has them, indices and keys of maps
 */
export function asWritten(json: unknown, path: readonly Step[]): readonly Step[] {
  const written: Step[] = [];
  let at = json;
  let snake = false;
  for (const step of path) {
    snake = spelling(at) ?? snake;
    if (isDescribed(at)) {
      written.push('value');
      at = at['value'];
      snake = spelling(at) ?? snake;
    }
    const key = keyOf(at, step) ?? (snake && typeof step === 'string' ? protoSnakeCase(step) : step);
    written.push(key);
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined;
  }
  return written;
}

function isDescribed(json: unknown): json is Readonly<Record<string, unknown>> {
  if (!isJsonObject(json)) return false;
  const type = json[TYPE_KEY];
  return typeof type === 'string' && isTypedStruct(typeNameOf(type));
}

/** Whether the keys of an object are in snake_case; undefined where they do not show it. */
function spelling(json: unknown): boolean | undefined {
  if (!isJsonObject(json)) return undefined;
  const keys = Object.keys(json);
  if (keys.some((key) => /^[a-z0-9]+(?:_[a-z0-9]+)+$/.test(key))) return true;
  return keys.some((key) => /^[a-z0-9]+[A-Z][A-Za-z0-9]*$/.test(key)) ? false : undefined;
}

function keyOf(json: unknown, step: Step): Step | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  if (Object.hasOwn(json, step)) return step;
  // A key of a map is there as it is, so this one is a field.
  return Object.keys(json).find((key) => protoCamelCase(key) === step);
}
