import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { type DescMessage, fromJson, type JsonValue, type Message, toBinary, toJson } from '@bufbuild/protobuf';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { Random } from '../../kube/fuzz/random.ts';
import { readMessage } from './read-message.ts';
import { mutateJson } from './testing/mutate-json.ts';
import { RandomMessages } from './testing/random-message.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const PER_TYPE = 3;
const MUTATIONS = 4;
const registry = envoyRegistry();
const types = [...registry].filter((type) => type.kind === 'message');

describe(`${PER_TYPE} random messages of each of ${types.length} types, from seed ${SEED} (SLUICE_FUZZ_SEED)`, () => {
  for (const useProtoFieldName of [false, true]) {
    test(`are what is read from their JSON, in ${useProtoFieldName ? 'snake_case' : 'camelCase'}`, { timeout: 60_000 }, () => {
      for (const { type, message, json } of randomMessages(SEED, useProtoFieldName)) assertSame(type, json, message);
    });
  }

  test(`with changes to their JSON are refused, or are what protobuf's decoder reads`, { timeout: 120_000 }, (context) => {
    const random = new Random(SEED);
    const count = { refused: 0, same: 0 };
    for (const { type, json } of randomMessages(SEED, false)) {
      for (let run = 0; run < MUTATIONS; run++) {
        const mutated = mutateJson(json, random);
        const result = readMessage(mutated, type, registry);
        if (result.read) assertSame(type, mutated, decode(type, mutated));
        else assert.notEqual(result.findings.length, 0);
        count[result.read ? 'same' : 'refused']++;
      }
    }
    context.diagnostic(`${count.refused} refused, ${count.same} as decoded`);
    assert.ok(Math.min(count.refused, count.same) > types.length, 'both happen often');
  });
});

function* randomMessages(seed: number, useProtoFieldName: boolean) {
  const messages = new RandomMessages(registry, new Random(seed));
  for (const type of types) {
    for (let run = 0; run < PER_TYPE; run++) {
      const message = messages.of(type);
      yield { type, message, json: toJson(type, message, { registry, useProtoFieldName }) };
    }
  }
}

function decode(type: DescMessage, json: unknown): Message {
  return fromJson(type, json as JsonValue, { registry });
}

function assertSame(type: DescMessage, json: unknown, message: Message): void {
  const result = readMessage(json, type, registry);
  const where = () => inspect({ type: type.typeName, json, findings: result.read ? [] : result.findings }, { depth: 20 });
  assert(result.read, result.read ? '' : where());
  if (!Buffer.from(toBinary(type, result.message.message)).equals(toBinary(type, message))) assert.fail(where());
}
