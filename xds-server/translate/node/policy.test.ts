import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type DirectionPolicySchema, SubjectPolicySchema, Verdict_Decision } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import fc from 'fast-check';
import type { Decision, DirectionPolicy, FieldRef, SubjectPolicy, Verdict } from '../../../model/index.ts';
import { translateSubjectPolicy } from './policy.ts';

const uint32 = fc.oneof(fc.nat(300), fc.nat(0x7f_ff_ff_ff), fc.constantFrom(0, 127, 128, 16_383, 16_384, 0x1_ff_ff_ff, 0xff_ff_ff_ff));
const source: fc.Arbitrary<FieldRef> = fc.record({
  object: fc.record({
    kind: fc.constantFrom('NetworkPolicy', 'CiliumNetworkPolicy'),
    namespace: fc.constantFrom('', 'shop'),
    name: fc.string(),
  }),
  path: fc.array(fc.oneof(fc.string(), fc.nat(3)), { maxLength: 3 }),
});
const decision: fc.Arbitrary<Decision> = fc.oneof(
  fc.constantFrom<Decision>({ kind: 'allow' }, { kind: 'deny' }),
  fc.string().map((slot): Decision => ({ kind: 'slot', slot })),
);

/** As the engine makes them, verdicts of one rule have the same sources. */
const policies: fc.Arbitrary<SubjectPolicy> = fc
  .array(fc.array(source, { maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .chain((rules) => {
    const verdict: fc.Arbitrary<Verdict> = fc.record({
      peer: uint32,
      protocol: fc.nat(255),
      port: fc.nat(65_535),
      portPrefixLength: fc.nat(16),
      decision,
      sources: fc.constantFrom(...rules),
    });
    const direction: fc.Arbitrary<DirectionPolicy> = fc.record({ defaultDeny: fc.boolean(), verdicts: fc.array(verdict) });
    return fc.record({ subject: uint32, ingress: direction, egress: direction });
  });

test('the bytes of a policy are those that any encoder of protobuf makes of it', () => {
  const property = fc.property(policies, (policy) => {
    const { name, body } = translateSubjectPolicy(policy);
    assert.equal(name, String(policy.subject));
    const message = create(SubjectPolicySchema, messageOf(policy));
    assert.deepEqual(fromBinary(SubjectPolicySchema, body), message);
    assert.deepEqual(body, toBinary(SubjectPolicySchema, message));
  });
  fc.assert(property, { numRuns: 500 });
});

test('policies that follow one another share no bytes', () => {
  const rule: FieldRef = { object: { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' }, path: ['spec', 'ingress', 0] };
  const policyOf = (peers: number): SubjectPolicy => ({
    subject: 256,
    ingress: {
      defaultDeny: true,
      verdicts: Array.from({ length: peers }, (_, index) => ({
        peer: 1_000 + index,
        protocol: 6,
        port: 80,
        portPrefixLength: 16,
        decision: { kind: 'allow' },
        sources: [rule],
      })),
    },
    egress: { defaultDeny: false, verdicts: [] },
  });
  const large = translateSubjectPolicy(policyOf(2_000));
  const before = Uint8Array.from(large.body);
  const small = translateSubjectPolicy(policyOf(1));
  assert.deepEqual(large.body, before);
  assert.equal(fromBinary(SubjectPolicySchema, large.body).ingress?.verdicts.length, 2_000);
  assert.notEqual(small.version, large.version);
  assert.equal(translateSubjectPolicy(policyOf(2_000)).version, large.version);
});

function messageOf({ ingress, egress }: SubjectPolicy): MessageInitShape<typeof SubjectPolicySchema> {
  const keys: string[] = [];
  const sources: { kind: string; namespace: string; name: string; path: string }[] = [];
  const indexOf = ({ object: { kind, namespace, name }, path }: FieldRef) => {
    const message = { kind, namespace, name, path: JSON.stringify(path) };
    const key = JSON.stringify(message);
    if (!keys.includes(key)) sources[keys.push(key) - 1] = message;
    return keys.indexOf(key);
  };
  const decisions = { allow: Verdict_Decision.ALLOW, deny: Verdict_Decision.DENY, slot: Verdict_Decision.SLOT };
  const directionOf = ({ defaultDeny, verdicts }: DirectionPolicy): MessageInitShape<typeof DirectionPolicySchema> => ({
    defaultDeny,
    verdicts: verdicts.map(({ decision: made, sources: of, ...key }) => ({
      ...key,
      decision: decisions[made.kind],
      slot: made.kind === 'slot' ? made.slot : '',
      sources: of.map(indexOf),
    })),
  });
  return { ingress: directionOf(ingress), egress: directionOf(egress), sources };
}
