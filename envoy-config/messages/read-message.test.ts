import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { readMessage } from './read-message.ts';
import { MAX_DEPTH } from './reading.ts';

const registry = envoyRegistry();

/** What is found, each as `path: code: message`, or the canonical JSON of what is read. */
function read(typeName: string, json: unknown): readonly string[] | JsonValue {
  const schema = registry.getMessage(typeName);
  assert(schema, typeName);
  const result = readMessage(json, schema, registry);
  if (result.read) return toJson(schema, result.message.message, { registry });
  return result.findings.map(({ path, code, message }) => `${path.join('.')}: ${code}: ${message}`);
}

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const BREAKERS = 'envoy.config.cluster.v3.CircuitBreakers.Thresholds';
const METADATA = 'envoy.config.core.v3.Metadata';
const PERCENT = 'envoy.type.v3.Percent';
const SOURCE = 'envoy.config.core.v3.DataSource';
const RANGE = 'envoy.type.v3.Int64Range';

const READ: Readonly<Record<string, readonly [string, unknown, JsonValue]>> = {
  'names in camelCase and in snake_case': [
    CLUSTER,
    { name: 'a', connect_timeout: '1s', lbPolicy: 'MAGLEV' },
    { name: 'a', connectTimeout: '1s', lbPolicy: 'MAGLEV' },
  ],
  'an object without a prototype': [CLUSTER, Object.assign(Object.create(null), { name: 'a' }), { name: 'a' }],
  'null, which is nothing': [CLUSTER, { name: null, connectTimeout: null, healthChecks: null, loadAssignment: null }, {}],
  'null in a oneof, which is not the one': [SOURCE, { filename: null, inlineString: 'a', inlineBytes: null }, { inlineString: 'a' }],
  'null where it is a value': ['google.protobuf.Value', null, null],
  'null of a field where it is a value': ['envoy.config.core.v3.KeyValuePair', { key: 'a', value: null }, { key: 'a', value: null }],
  'no zero that is negative': ['google.protobuf.Int32Value', -0, 0],
  'null in a Struct': [METADATA, { filterMetadata: { a: { b: null } } }, { filterMetadata: { a: { b: null } } }],
  'an enum by its number': [CLUSTER, { lbPolicy: 5 }, { lbPolicy: 'MAGLEV' }],
  'a wrapper': [BREAKERS, { maxConnections: 5 }, { maxConnections: 5 }],
  'numbers as text': [BREAKERS, { maxConnections: '5', maxPendingRequests: '1e1' }, { maxConnections: 5, maxPendingRequests: 10 }],
  'whole numbers with a fraction of zero': [BREAKERS, { maxConnections: 5.0, maxRequests: '5.0' }, { maxConnections: 5, maxRequests: 5 }],
  '64 bits as text and as number': [
    RANGE,
    { start: '-9223372036854775808', end: 9007199254740991 },
    { start: '-9223372036854775808', end: '9007199254740991' },
  ],
  'numbers of no size': [PERCENT, { value: 'NaN' }, { value: 'NaN' }],
  'numbers without end': [PERCENT, { value: '-Infinity' }, { value: '-Infinity' }],
  bytes: [SOURCE, { inlineBytes: 'aGk' }, { inlineBytes: 'aGk=' }],
  'bytes of the other alphabet': [SOURCE, { inlineBytes: '_-8=' }, { inlineBytes: '/+8=' }],
  'a duration less than none': [CLUSTER, { connectTimeout: '-0.5s' }, { connectTimeout: '-0.500s' }],
  'a time with an offset': ['google.protobuf.Timestamp', '2026-01-31T12:00:00.5+01:00', '2026-01-31T11:00:00.500Z'],
  'keys that are also names of JavaScript': [
    METADATA,
    { filterMetadata: JSON.parse('{"__proto__": {"constructor": 1}}') },
    { filterMetadata: JSON.parse('{"__proto__": {"constructor": 1}}') },
  ],
  'empty keys': [METADATA, { filterMetadata: { '': {} } }, { filterMetadata: { '': {} } }],
};

const WRONG: Readonly<Record<string, readonly [string, unknown, readonly string[]]>> = {
  'no object': [CLUSTER, [], [`: WrongType: must be an object, a ${CLUSTER}, not a list`]],
  'nothing at all': [CLUSTER, undefined, [`: WrongType: must be an object, a ${CLUSTER}, not a value that JSON does not have`]],
  'an object that is none of JSON': [
    CLUSTER,
    new Date(0),
    [`: WrongType: must be an object, a ${CLUSTER}, not a value that JSON does not have`],
  ],
  'fields that there are not': [
    CLUSTER,
    { nmae: 'a', connect_timeuot: '1s', connectTimeuot: '1s', quite_another: 1, '': 1, __proto__x: 1 },
    [
      `nmae: UnknownField: is no field of ${CLUSTER}; did you mean name?`,
      `connect_timeuot: UnknownField: is no field of ${CLUSTER}; did you mean connect_timeout?`,
      `connectTimeuot: UnknownField: is no field of ${CLUSTER}; did you mean connectTimeout?`,
      `quite_another: UnknownField: is no field of ${CLUSTER}`,
      `: UnknownField: is no field of ${CLUSTER}`,
      `__proto__x: UnknownField: is no field of ${CLUSTER}`,
    ],
  ],
  'names that every object of JavaScript has': [
    CLUSTER,
    JSON.parse('{"__proto__": {}, "constructor": 1}'),
    [`__proto__: UnknownField: is no field of ${CLUSTER}`, `constructor: UnknownField: is no field of ${CLUSTER}`],
  ],
  'a field given twice': [
    CLUSTER,
    { connectTimeout: '1s', connect_timeout: null },
    ['connect_timeout: DuplicateField: is the same field as connectTimeout'],
  ],
  'two of which there is one': [
    CLUSTER,
    { type: 'EDS', cluster_type: { name: 'a' } },
    [`cluster_type: OneofConflict: cannot be together with type: of ${CLUSTER}.cluster_discovery_type there is only one`],
  ],
  'a name that an enum does not have': [
    CLUSTER,
    { lbPolicy: 'ROUNDROBIN', dnsLookupFamily: 'IPV4' },
    [
      `lbPolicy: UnknownEnumValue: is "ROUNDROBIN", which ${CLUSTER}.LbPolicy does not have; did you mean ROUND_ROBIN?`,
      `dnsLookupFamily: UnknownEnumValue: is "IPV4", which ${CLUSTER}.DnsLookupFamily does not have; it has AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL`,
    ],
  ],
  'numbers that an enum does not have': [
    CLUSTER,
    { lbPolicy: 4, dnsLookupFamily: 1.5 },
    [
      `lbPolicy: UnknownEnumValue: is no number of ${CLUSTER}.LbPolicy`,
      `dnsLookupFamily: UnknownEnumValue: is no number of ${CLUSTER}.DnsLookupFamily`,
    ],
  ],
  'an enum that is neither': [CLUSTER, { lbPolicy: true }, ['lbPolicy: WrongType: must be the name of a value as text, not true or false']],
  'scalars of another kind': [
    'envoy.config.core.v3.SocketAddress',
    { address: 10, portValue: 'http', ipv4Compat: 'true', resolverName: null, protocol: [] },
    [
      'address: WrongType: must be a text, not a number: put it in quotes',
      'portValue: WrongType: must be a whole number, not a text',
      'ipv4Compat: WrongType: must be true or false, not a text',
      'protocol: WrongType: must be the name of a value as text, not a list',
    ],
  ],
  'numbers that do not fit': [
    BREAKERS,
    { maxConnections: -1, maxRequests: 2 ** 32, maxRetries: 1.5, maxPendingRequests: '0x10', maxConnectionPools: Number.NaN },
    [
      'maxConnections: InvalidValue: must be from 0 to 4294967295',
      'maxRequests: InvalidValue: must be from 0 to 4294967295',
      'maxRetries: InvalidValue: must be a whole number',
      'maxPendingRequests: WrongType: must be a whole number, not a text',
      'maxConnectionPools: InvalidValue: must be a whole number',
    ],
  ],
  '64 bits that do not fit, or are not exact': [
    RANGE,
    { start: '9223372036854775808', end: 2 ** 53 },
    [
      'start: InvalidValue: must be from -9223372036854775808 to 9223372036854775807',
      'end: InvalidValue: is too large to be exact as a number: write it as text, in quotes',
    ],
  ],
  'a number that is none': [
    PERCENT,
    { value: Number.NaN },
    ['value: InvalidValue: must be a finite number, or "NaN", "Infinity" or "-Infinity" as text'],
  ],
  'a number that 32 bits do not hold': ['google.protobuf.FloatValue', 1e39, [': InvalidValue: is too large for 32 bits']],
  'no base64': [SOURCE, { inlineBytes: 'a*b' }, ['inlineBytes: InvalidValue: must be base64']],
  'half a character': [CLUSTER, { name: '\ud800' }, ['name: InvalidValue: is no Unicode text: half of a surrogate pair is missing']],
  'durations that are none': [
    CLUSTER,
    { connectTimeout: 1, cleanupInterval: '1m', dnsRefreshRate: '1.0000000001s', dnsJitter: '315576000001s' },
    [
      'connectTimeout: WrongType: must be a duration as text, like "1.5s", not a number',
      'cleanupInterval: InvalidValue: must be a duration in seconds, like "1.5s"',
      'dnsRefreshRate: InvalidValue: must be a duration in seconds, like "1.5s"',
      'dnsJitter: InvalidValue: is no duration that can be had',
    ],
  ],
  'a day that is none': [
    'google.protobuf.Timestamp',
    '2026-02-30T00:00:00Z',
    [': InvalidValue: must be a time like "2026-01-31T12:00:00Z"'],
  ],
  'no list, and items of lists': [
    CLUSTER,
    { healthChecks: {}, filters: [null, { name: 1 }, 'x'] },
    [
      'healthChecks: WrongType: must be a list, not an object',
      'filters.0: WrongType: must be an object, a envoy.config.cluster.v3.Filter, not null',
      'filters.1.name: WrongType: must be a text, not a number: put it in quotes',
      'filters.2: WrongType: must be an object, a envoy.config.cluster.v3.Filter, not a text',
    ],
  ],
  'no map, and values of maps': [
    METADATA,
    { filterMetadata: [], typed_filter_metadata: { 'a.b': null } },
    [
      'filterMetadata: WrongType: must be an object, whose keys are its own, not a list',
      'typed_filter_metadata.a.b: WrongType: must be an object with "@type", not null',
    ],
  ],
  'keys of maps': [
    'envoy.HotRestartMessage.Reply.Stats',
    { dynamics: {}, gauges: { a: '1' }, counterDeltas: { b: -1 } },
    ['counterDeltas.b: InvalidValue: must be from 0 to 18446744073709551615'],
  ],
  'keys of maps that are numbers': [
    'cel.expr.SourceInfo',
    { positions: { '1': 0, '01': 1, x: 2 } },
    ['positions.01: DuplicateField: is the same key as another one', 'positions.x: WrongType: must be a whole number, not a text'],
  ],
  'what is no JSON in a Struct': [
    METADATA,
    { filterMetadata: { a: { b: [1n, Number.POSITIVE_INFINITY, undefined, '\udc00'] } } },
    [
      'filterMetadata.a.b.0: WrongType: must be JSON, not a number',
      'filterMetadata.a.b.1: InvalidValue: must be a finite number',
      'filterMetadata.a.b.2: WrongType: must be JSON, not a value that JSON does not have',
      'filterMetadata.a.b.3: InvalidValue: is no Unicode text: half of a surrogate pair is missing',
    ],
  ],
  'half a character in a key': [
    METADATA,
    { filterMetadata: { a: { '\ud800': 1 } } },
    ['filterMetadata.a.\ud800: InvalidValue: is no Unicode text: half of a surrogate pair is missing'],
  ],
  'a field that a message must have': [
    'google.protobuf.UninterpretedOption.NamePart',
    { namePart: 'a' },
    ['isExtension: MissingField: is required by google.protobuf.UninterpretedOption.NamePart'],
  ],
};

describe('a message is read from', () => {
  for (const [name, [type, json, expected]] of Object.entries(READ)) {
    it(name, () => assert.deepEqual(read(type, json), expected));
  }
});

describe('what is wrong is found:', () => {
  for (const [name, [type, json, expected]] of Object.entries(WRONG)) {
    it(name, () => assert.deepEqual(read(type, json), expected));
  }

  it('a hundred mistakes, and how many more there are', () => {
    const found = read(CLUSTER, { healthChecks: Array.from({ length: 350 }, () => 1) });
    assert(Array.isArray(found));
    assert.equal(found.length, 101);
    assert.equal(found.at(-1), ': MoreFindings: has 250 more mistakes, which are not listed');
  });

  it('without values, which may be secret', () => {
    const secret = 'hunter2-never-shown';
    const json = { inlineBytes: `*${secret}`, filename: [secret], watchedDirectory: secret, environmentVariable: { [`${secret}`]: 1 } };
    assert.ok(!JSON.stringify(read(SOURCE, json)).includes(secret));
  });
});

describe('depth', () => {
  const nested = (depth: number): unknown => {
    let json: unknown = { any: true };
    for (let at = 1; at < depth; at++) json = { notRule: json };
    return json;
  };

  for (const depth of [1, MAX_DEPTH]) {
    it(`of ${depth} is read`, () => assert.deepEqual(read('envoy.config.rbac.v3.Permission', nested(depth)), nested(depth)));
  }

  for (const depth of [MAX_DEPTH + 1, 100_000]) {
    it(`of ${depth} is refused`, () => {
      const found = read('envoy.config.rbac.v3.Permission', nested(depth));
      assert(Array.isArray(found));
      assert.equal(found.length, 1);
      assert.match(String(found[0]), /^notRule(\.notRule){99}: TooDeep: is nested deeper than 100 messages$/);
    });
  }

  it('of a Struct counts as it is encoded', () => {
    const struct = (depth: number): unknown => (depth === 0 ? 1 : { a: struct(depth - 1) });
    assert.deepEqual(read('google.protobuf.Struct', struct(33)), struct(33));
    assert.match(String(read('google.protobuf.Struct', struct(34))), /TooDeep/);
  });

  it('counts the entry that a value of a map is in', () => {
    const nested = (levels: number): unknown => ({
      matcher: levels === 0 ? {} : { matcherTree: { exactMatchMap: { map: { a: nested(levels - 1) } } } },
    });
    assert.deepEqual(read('xds.type.matcher.v3.Matcher.OnMatch', nested(19)), nested(19));
    assert.match(
      String(read('xds.type.matcher.v3.Matcher.OnMatch', nested(20))),
      /^(matcher\.matcherTree\.exactMatchMap\.map\.a\.){19}.*: TooDeep/,
    );
  });

  it('of what repeats itself ends', { timeout: 20_000 }, () => {
    let json: unknown = { any: true };
    for (let level = 0; level < 40; level++) json = { andRules: { rules: [json, json, json] } };
    const found = read('envoy.config.rbac.v3.Permission', json);
    assert.match(String(found), /TooLarge: and what follows is not read: there are more than 1000000 values/);
  });
});
