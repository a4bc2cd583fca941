import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import {
  BytesRulesSchema,
  type FieldRules,
  FieldRulesSchema,
  RepeatedRulesSchema,
  StringRulesSchema,
  TimestampRulesSchema,
} from '@sluice/envoy-protos/validate/validate_pb.js';
import { ConstraintError } from './constraint-error.ts';
import { constraintsOf } from './validate-constraints.ts';
import { valueRules } from './value-checks.ts';

const messages = [...envoyRegistry()].filter((type) => type.kind === 'message');
const clusterName = ClusterSchema.field.name;

describe("the rules in Envoy's descriptors", () => {
  it('are all known', () => {
    const unknown: string[] = [];
    let found = 0;
    for (const message of messages) {
      try {
        found += constraintsOf(message).checks.length;
      } catch (error) {
        if (!(error instanceof ConstraintError)) throw error;
        unknown.push(`${message.typeName}: ${error.message}`);
      }
    }
    assert.deepEqual(unknown, []);
    assert.ok(found > 1_300, `only ${found} of the fields and oneofs with constraints were found`);
  });

  it('skip nothing that has constraints in it', () => {
    const skipped = messages.flatMap((message) => constraintsOf(message).skippedFields);
    const below = skipped.flatMap(({ message }) => message?.fields.flatMap((field) => field.message ?? []) ?? []);
    assert.deepEqual(
      below.filter((message) => constraintsOf(message).checks.length > 0),
      [],
    );
    assert.ok(skipped.length > 0);
  });

  const unknown: readonly FieldRules['type'][] = [
    { case: 'string', value: create(StringRulesSchema, { wellKnown: { case: 'email', value: true } }) },
    { case: 'string', value: create(StringRulesSchema, { wellKnown: { case: 'uri', value: true } }) },
    { case: 'timestamp', value: create(TimestampRulesSchema, { ltNow: true }) },
    { case: 'bytes', value: create(BytesRulesSchema, { pattern: 'a' }) },
    { case: 'repeated', value: create(RepeatedRulesSchema, { minItems: 1n }) },
  ];
  for (const type of unknown) {
    it(`would not be passed over: ${type.case}, ${JSON.stringify(type.value, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`, () => {
      assert.throws(() => valueRules(clusterName, create(FieldRulesSchema, { type })), ConstraintError);
    });
  }

  it('are compiled once', () => {
    for (const message of messages) assert.equal(constraintsOf(message), constraintsOf(message));
  });
});
