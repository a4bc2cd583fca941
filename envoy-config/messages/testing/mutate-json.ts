import { protoCamelCase, protoSnakeCase } from '@bufbuild/protobuf/reflect';
import type { Random } from '../../../kube/fuzz/random.ts';
import { isJsonObject } from '../findings.ts';

interface Slot {
  readonly parent: object;
  readonly key: string;
}

const VALUES: readonly [unknown, ...unknown[]] = [
  null,
  undefined,
  true,
  false,
  0,
  -0,
  1,
  -1,
  1.5,
  1e300,
  2 ** 53,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  12n,
  '',
  '0',
  '1',
  '-1',
  '1e2',
  '1.0',
  '0x10',
  ' 1 ',
  '9223372036854775808',
  'NaN',
  'true',
  '1s',
  '1.1234567891s',
  '-0.5s',
  '315576000001s',
  '2026-02-30T00:00:00Z',
  '2026-01-31T12:00:00+01:00',
  'aGk',
  'aGk=',
  'a_-/',
  'a',
  'a,bC',
  '\ud800',
  'DEFAULT',
  [],
  [null],
  [[]],
  [1, 'a', {}],
  {},
  { '': 1 },
  { a: { b: [1] } },
  { value: 1 },
  { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1s' },
  { '@type': 'type.googleapis.com/google.protobuf.Any', value: {} },
  { '@type': 'google.protobuf.Struct', value: { a: [null] } },
  { '@type': 'type.googleapis.com/envoy.config.core.v3.Address', pipe: { path: 'x' } },
  { '@type': '' },
  { '@type': 1 },
  new Date(0),
  new Map(),
  Uint8Array.of(1),
];
const KEYS = ['', 'value', '@type', 'type', 'name', '__proto__', 'constructor', '1', 'true', 'typed_config', 'kind'] as const;

/** JSON with one to three changes in random places, some of which make it none. The input stays as it is. */
export function mutateJson(json: unknown, random: Random): unknown {
  const root = { json: structuredClone(json) };
  for (let count = 1 + random.below(3); count > 0; count--) mutateOnce(root, random);
  return root.json;
}

function mutateOnce(root: object, random: Random): void {
  const slots = [...slotsIn(root)];
  const slot = slots[random.below(slots.length)];
  if (!slot) return;
  const { parent, key } = slot;
  const value: unknown = Reflect.get(parent, key);
  const change = random.below(6);
  if (change <= 1 || parent === root) put(parent, key, structuredClone(random.pick(VALUES)));
  else if (change === 2) Reflect.deleteProperty(parent, key);
  else if (change === 3) put(parent, respelled(key), value);
  else if (change === 4) put(parent, random.pick(KEYS), value);
  // What stands elsewhere, by which messages come to be where they do not belong.
  else put(parent, key, structuredClone(slots[random.below(slots.length)]?.parent));
}

function respelled(key: string): string {
  return key.includes('_') ? protoCamelCase(key) : protoSnakeCase(key);
}

function put(parent: object, key: string, value: unknown): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function* slotsIn(value: unknown): Generator<Slot> {
  if (!Array.isArray(value) && !isJsonObject(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    yield { parent: value, key };
    yield* slotsIn(inner);
  }
}
