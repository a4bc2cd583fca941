import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescMessage, toBinary, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { TypedExtensionConfigSchema } from '@sluice/envoy-protos/envoy/config/core/v3/extension_pb.js';
import { FilterSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { Random } from '../../kube/fuzz/random.ts';
import { type Path, stepsOf } from '../messages/path.ts';
import { RandomMessages } from '../messages/testing/random-message.ts';
import { referringFields } from './naming-fields.ts';
import { referencesIn, rewriteReferences } from './references.ts';
import { MEANINGS } from './table.ts';
import { renameJson, type Written } from './testing/rename-json.ts';

const registry = envoyRegistry();
const messages = [...registry].filter((type): type is DescMessage => type.kind === 'message');
const naming = messages.filter((message) => referringFields(message).length > 0);
const seed = Number(process.env['SLUICE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

const TRIES = 500;

const renamed = ({ to, name }: { readonly to: string; readonly name: string }) => `renamed ${to} ${name}`;

test(`references of messages of every type become what they should, and nothing else does, seed ${seed}`, { timeout: 120_000 }, () => {
  const random = randomMessages(seed);
  for (const desc of messages) assertRewritten(random(desc));
});

test(`every reference is rewritten, by itself and in an Any within an Any, seed ${seed}`, { timeout: 120_000 }, () => {
  const random = randomMessages(seed + 1);
  for (const [name, { kind }] of MEANINGS) {
    if (kind !== 'reference') continue;
    const desc = registry.getMessage(name.slice(0, name.lastIndexOf('.')));
    if (!desc) throw new Error(`no message has ${name}`);
    assert.ok(
      Array.from({ length: TRIES }).some(() => {
        const message = random(desc);
        const listener = inListener(message);
        return assertRewritten(listener).has(name) && assertRewritten(message).has(name);
      }),
      name,
    );
  }
});

test(`references are found with the paths that JSON has them at, and looking changes nothing, seed ${seed}`, { timeout: 120_000 }, () => {
  const random = randomMessages(seed + 2);
  for (const desc of naming.flatMap((each) => [each, each, each, each])) {
    const message = random(desc);
    const before = toBinary(desc, message.message);
    const written: Written[] = [];
    renameJson(desc, toJson(desc, message.message, { registry }), registry, (reference) => {
      written.push(reference);
      return reference.name;
    });
    const found = referencesIn(message, registry).filter(({ implied }) => !implied);
    assert.deepEqual(
      sorted(found.map(({ to, name, path }) => line(to, name, joined(path)))),
      sorted(written.map(({ to, name, path }) => line(to, name, path))),
    );
    assert.deepEqual(toBinary(desc, message.message), before, desc.typeName);
  }
});

test('an unchanged name is no change, whatever message it stands in', { timeout: 120_000 }, () => {
  const random = randomMessages(seed + 3);
  for (const desc of naming) {
    const message = random(desc);
    assert.equal(
      rewriteReferences(message, registry, ({ name }) => name),
      false,
      desc.typeName,
    );
  }
});

function randomMessages(seedOfThem: number): (desc: DescMessage) => ReflectMessage {
  const random = new RandomMessages(registry, new Random(seedOfThem));
  return (desc) => reflect(desc, random.of(desc));
}

/** @returns the fields that were renamed */
function assertRewritten(message: ReflectMessage): ReadonlySet<string> {
  const { desc } = message;
  const fields = new Set<string>();
  const before = toJson(desc, message.message, { registry });
  const expected = renameJson(desc, before, registry, (written) => {
    fields.add(written.field);
    return renamed(written);
  });
  const changed = rewriteReferences(message, registry, renamed);
  assert.deepEqual(toJson(desc, message.message, { registry }), expected, desc.typeName);
  assert.equal(changed, fields.size > 0, desc.typeName);
  return fields;
}

function inListener({ desc, message }: ReflectMessage): ReflectMessage {
  const within = create(TypedExtensionConfigSchema, { name: 'web', typedConfig: anyPack(desc, message) });
  const filter = create(FilterSchema, {
    name: 'web',
    configType: { case: 'typedConfig', value: anyPack(TypedExtensionConfigSchema, within) },
  });
  return reflect(ListenerSchema, create(ListenerSchema, { name: 'web', filterChains: [{ name: 'web', filters: [filter] }] }));
}

function joined(path: Path): string {
  return stepsOf(path)
    .map((step) => ` ${step}`)
    .join('');
}

function line(to: string, name: string, path: string): string {
  return `${to} "${name}" at${path}`;
}

function sorted(lines: readonly string[]): readonly string[] {
  return [...lines].sort();
}
