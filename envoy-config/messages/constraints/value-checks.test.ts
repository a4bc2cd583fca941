import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type DescField, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, DurationSchema, UInt32ValueSchema } from '@bufbuild/protobuf/wkt';
import { CircuitBreakers_ThresholdsSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/circuit_breaker_pb.js';
import { Cluster_LbPolicy, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { FieldRulesSchema } from '@sluice/envoy-protos/validate/validate_pb.js';
import { valueRules } from './value-checks.ts';

interface Case {
  readonly rules: JsonValue;
  /** Of a string unless it is said. */
  readonly field?: DescField;
  readonly right: readonly unknown[];
  readonly wrong: readonly unknown[];
  readonly message: string;
}

const duration = (seconds: number, nanos = 0) => reflect(DurationSchema, create(DurationSchema, { seconds: BigInt(seconds), nanos }));
const wrapped = (value: number) => reflect(UInt32ValueSchema, create(UInt32ValueSchema, { value }));
const any = (typeUrl: string) => reflect(AnySchema, create(AnySchema, { typeUrl }));
const bytes = (length: number) => new Uint8Array(length);
const enumeration = ClusterSchema.field.lbPolicy;
const uint32Wrapper = CircuitBreakers_ThresholdsSchema.field.maxRequests;

const CASES: readonly Case[] = [
  { rules: { string: { const: 'a' } }, right: ['a'], wrong: ['', 'ab'], message: 'must be "a"' },
  { rules: { string: { minLen: 1 } }, right: ['a', '\0'], wrong: [''], message: 'must not be empty' },
  { rules: { string: { minLen: 2 } }, right: ['ab', '😀😀'], wrong: ['', 'a', '😀'], message: 'must be at least 2 characters long' },
  { rules: { string: { maxLen: 1 } }, right: ['', 'ü', '😀'], wrong: ['ab'], message: 'must be at most 1 character long' },
  { rules: { string: { len: 2 } }, right: ['ab', '😀ü'], wrong: ['', '😀'], message: 'must be 2 characters long' },
  { rules: { string: { minBytes: 2 } }, right: ['ab', 'ü'], wrong: ['a'], message: 'must be at least 2 bytes long' },
  { rules: { string: { maxBytes: 3 } }, right: ['abc', '€'], wrong: ['😀', 'ab€'], message: 'must be at most 3 bytes long' },
  { rules: { string: { lenBytes: 4 } }, right: ['😀'], wrong: ['😀a'], message: 'must be 4 bytes long' },
  { rules: { string: { prefix: '%' } }, right: ['%', '%a'], wrong: ['', 'a%'], message: 'must begin with "%"' },
  { rules: { string: { suffix: '%' } }, right: ['%', 'a%'], wrong: ['', '%a'], message: 'must end with "%"' },
  { rules: { string: { contains: 'b' } }, right: ['abc'], wrong: ['', 'ac'], message: 'must contain "b"' },
  { rules: { string: { notContains: 'b' } }, right: ['', 'ac'], wrong: ['abc'], message: 'must not contain "b"' },
  { rules: { string: { in: ['a', ''] } }, right: ['a', ''], wrong: ['b'], message: 'must be one of "a", ""' },
  { rules: { string: { notIn: ['a'] } }, right: ['b', ''], wrong: ['a'], message: 'must be none of "a"' },
  { rules: { string: { minLen: 2, ignoreEmpty: true } }, right: ['', 'ab'], wrong: ['a'], message: 'must be at least 2 characters long' },
  // All of it, by RE2's rules: \s is ASCII's, and only a line feed is no dot.
  { rules: { string: { pattern: 'a+' } }, right: ['a', 'aa'], wrong: ['', 'ba', 'ab', 'a\n'], message: 'must match a+' },
  { rules: { string: { pattern: '^[^\\s,]+$' } }, right: ['a', '\u00a0'], wrong: ['a b', 'a,', '\n'], message: 'must match ^[^\\s,]+$' },
  { rules: { string: { pattern: '^$|^.*b$' } }, right: ['', 'b', '\rb', '\u2028b'], wrong: ['\nb', 'a'], message: 'must match ^$|^.*b$' },
  {
    rules: { string: { wellKnownRegex: 'HTTP_HEADER_NAME' } },
    right: [':path', 'x-a', "!#$%&'*+-.^_|~`", 'a,b'],
    wrong: ['', ':', 'a b', 'a:b', '::a', 'ü', 'a\n'],
    message: 'must be the name of an HTTP header',
  },
  {
    rules: { string: { wellKnownRegex: 'HTTP_HEADER_VALUE' } },
    right: ['', 'a b', 'a\tb', 'ü😀', '\u0080'],
    wrong: ['a\n', '\r', '\0', '\x1f', '\x7f'],
    message: 'must be the value of an HTTP header',
  },
  ...(['HTTP_HEADER_NAME', 'HTTP_HEADER_VALUE'] as const).map((wellKnownRegex) => ({
    rules: { string: { wellKnownRegex, strict: false } },
    right: ['', 'a b', '\x01', '\x7f', 'ü'],
    wrong: ['a\n', '\r', '\0'],
    message: 'must have no line breaks and no NUL',
  })),
  { rules: { bytes: { minLen: 1 } }, right: [bytes(1)], wrong: [bytes(0)], message: 'must not be empty' },
  { rules: { bytes: { maxLen: 2 } }, right: [bytes(2)], wrong: [bytes(3)], message: 'must be at most 2 bytes long' },
  { rules: { bytes: { len: 2 } }, right: [bytes(2)], wrong: [bytes(0), bytes(3)], message: 'must be 2 bytes long' },
  { rules: { bool: { const: true } }, right: [true], wrong: [false], message: 'must be true' },
  { rules: { uint32: { lte: 65535 } }, right: [0, 65535], wrong: [65536], message: 'must be at most 65535' },
  { rules: { uint32: { gt: 0, lt: 10 } }, right: [1, 9], wrong: [0, 10], message: 'must be greater than 0 and less than 10' },
  { rules: { int32: { gte: 10, lte: 5 } }, right: [10, 5, -1], wrong: [6, 9], message: 'must be at least 10 or at most 5' },
  { rules: { uint32: { gte: 5, ignoreEmpty: true } }, right: [0, 5], wrong: [4], message: 'must be at least 5' },
  {
    rules: { uint64: { gt: '9007199254740992' } },
    right: [9007199254740993n],
    wrong: [9007199254740992n, 0n],
    message: 'must be greater than 9007199254740992',
  },
  { rules: { int64: { in: ['1', '2'] } }, right: [1n, 2n], wrong: [3n], message: 'must be one of those that are allowed' },
  { rules: { int64: { notIn: ['1'] } }, right: [2n], wrong: [1n], message: 'must not be one of those that are forbidden' },
  { rules: { sint32: { const: -1 } }, right: [-1], wrong: [0], message: 'must be -1' },
  {
    rules: { double: { gte: 0, lte: 1 } },
    right: [0, 0.5, 1],
    wrong: [-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY],
    message: 'must be at least 0 and at most 1',
  },
  { rules: { float: { gte: 0 } }, right: [0, Number.POSITIVE_INFINITY], wrong: [-1, Number.NaN], message: 'must be at least 0' },
  {
    rules: { uint32: { gte: 2 } },
    field: uint32Wrapper,
    right: [wrapped(2)],
    wrong: [wrapped(0), wrapped(1)],
    message: 'must be at least 2',
  },
  {
    rules: { duration: { gte: '0.001s' } },
    right: [duration(0, 1_000_000), duration(1)],
    wrong: [duration(0), duration(0, 999_999), duration(-1)],
    message: 'must be at least 0.001s',
  },
  // More than a number of nanoseconds is exact for.
  {
    rules: { duration: { lt: '315576000000s' } },
    right: [duration(315_575_999_999, 999_999_999)],
    wrong: [duration(315_576_000_000)],
    message: 'must be less than 315576000000s',
  },
  { rules: { duration: { const: '1.5s' } }, right: [duration(1, 5e8)], wrong: [duration(1)], message: 'must be 1.5s' },
  {
    rules: { enum: { definedOnly: true } },
    field: enumeration,
    right: [Cluster_LbPolicy.MAGLEV],
    wrong: [4, 99],
    message: 'must be a value that there is',
  },
  { rules: { enum: { const: 1 } }, field: enumeration, right: [1], wrong: [0], message: 'must be LEAST_REQUEST' },
  { rules: { enum: { in: [1, 2] } }, field: enumeration, right: [1, 2], wrong: [0], message: 'must be one of LEAST_REQUEST, RING_HASH' },
  { rules: { enum: { notIn: [0] } }, field: enumeration, right: [1], wrong: [0], message: 'must not be ROUND_ROBIN' },
  { rules: { any: { in: ['t/a'] } }, right: [any('t/a')], wrong: [any('t/b')], message: 'must hold one of t/a' },
  { rules: { any: { notIn: ['t/a'] } }, right: [any('t/b')], wrong: [any('t/a')], message: 'must hold none of t/a' },
];

describe('a value', () => {
  for (const { rules, field = ClusterSchema.field.name, right, wrong, message } of CASES) {
    it(`by ${JSON.stringify(rules)}`, () => {
      const { checks } = valueRules(field, fromJson(FieldRulesSchema, rules));
      const say = (value: unknown) => checks.map((check) => check(value)).filter((text) => text !== undefined);
      for (const value of right) assert.deepEqual(say(value), [], String(value));
      for (const value of wrong) assert.deepEqual(say(value), [message], String(value));
    });
  }

  for (const kind of ['message', 'duration', 'timestamp', 'any']) {
    it(`that is required by the rules of a ${kind}`, () => {
      assert.equal(valueRules(uint32Wrapper, fromJson(FieldRulesSchema, { [kind]: { required: true } })).required, true);
      assert.equal(valueRules(uint32Wrapper, fromJson(FieldRulesSchema, { [kind]: {} })).required, false);
    });
  }
});
