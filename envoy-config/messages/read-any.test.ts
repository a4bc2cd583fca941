import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromBinary, isMessage, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { isTypedStruct } from './any-json.ts';
import { readAny } from './read-message.ts';

const registry = envoyRegistry();
const PREFIX = 'type.googleapis.com/';
const LISTENER = 'envoy.config.listener.v3.Listener';
const PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const STRUCTS = ['xds.type.v3.TypedStruct', 'udpa.type.v1.TypedStruct'];

function read(json: unknown): readonly string[] | JsonValue {
  const result = readAny(json, registry);
  if (!result.read) return result.findings.map(({ path, code, message }) => `${path.join('.')}: ${code}: ${message}`);
  const { desc, message } = result.message;
  return { type: desc.typeName, json: toJson(desc, message, { registry }) };
}

/** A listener whose filter holds it. */
function filtered(typedConfig: unknown): unknown {
  return { '@type': PREFIX + LISTENER, filter_chains: [{ filters: [{ name: 'f', typed_config: typedConfig }] }] };
}

function readFiltered(typedConfig: JsonValue): JsonValue {
  return { type: LISTENER, json: { filterChains: [{ filters: [{ name: 'f', typedConfig }] }] } };
}

const AT = 'filter_chains.0.filters.0.typed_config';
const proxy = (fields: object) => ({ '@type': PREFIX + PROXY, ...fields });

describe('what is of any type', () => {
  it('is the message that it names', () => {
    assert.deepEqual(read({ '@type': PREFIX + LISTENER, name: 'a' }), { type: LISTENER, json: { name: 'a' } });
  });

  it('holds others of any type', () => {
    assert.deepEqual(read(filtered(proxy({ stat_prefix: 'a', cluster: 'c' }))), readFiltered(proxy({ statPrefix: 'a', cluster: 'c' })));
  });

  for (const prefix of ['', '/', 'example.com/some/path/']) {
    it(`has its type after the last slash, and always the usual URL: ${JSON.stringify(prefix)}`, () => {
      const wanted = readFiltered(proxy({ statPrefix: 'a' }));
      assert.deepEqual(read(filtered({ '@type': prefix + PROXY, statPrefix: 'a' })), wanted);
      const result = readAny(filtered({ '@type': prefix + PROXY }), registry);
      assert(result.read && isMessage(result.message.message, ListenerSchema));
      const config = result.message.message.filterChains[0]?.filters[0]?.configType;
      assert.equal(config?.case === 'typedConfig' && config.value.typeUrl, PREFIX + PROXY);
    });
  }

  const wellKnown: readonly (readonly [string, JsonValue])[] = [
    ['google.protobuf.Duration', '1.500s'],
    ['google.protobuf.Timestamp', '2026-01-31T12:00:00Z'],
    ['google.protobuf.UInt32Value', 5],
    ['google.protobuf.StringValue', 'a'],
    ['google.protobuf.Struct', { a: [1, { b: null }], '@type': 'not looked at' }],
    ['google.protobuf.ListValue', [1, 'a']],
    ['google.protobuf.Value', null],
    ['google.protobuf.FieldMask', 'a,bC'],
    ['google.protobuf.Any', { '@type': PREFIX + PROXY, statPrefix: 'a' }],
  ];
  for (const [type, value] of wellKnown) {
    it(`stands under "value" where JSON has a form of its own: ${type}`, () => {
      assert.deepEqual(read({ '@type': PREFIX + type, value }), { type, json: value });
      assert.deepEqual(read(filtered({ '@type': PREFIX + type, value })), readFiltered({ '@type': PREFIX + type, value }));
    });
  }

  const wrong: Readonly<Record<string, readonly [unknown, readonly string[]]>> = {
    'no object': ['a', [': WrongType: must be an object with "@type", not a text']],
    'no type': [{ name: 'a' }, [': MissingType: must have "@type", the type of what it holds']],
    'no type further in': [filtered({}), [`${AT}: MissingType: must have "@type", the type of what it holds`]],
    'a type that is no text': [{ '@type': 1 }, ['@type: WrongType: must be the name of a type as text, not a number']],
    'an empty type': [{ '@type': '' }, ['@type: UnknownType: is "", which Envoy does not have']],
    'the type of an old API': [
      { '@type': `${PREFIX}envoy.api.v2.Listener` },
      [`@type: UnknownType: is "envoy.api.v2.Listener", which Envoy does not have; did you mean ${LISTENER}?`],
    ],
    'a type that is misspelled': [
      filtered({ '@type': `${PREFIX}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxi` }),
      [
        `${AT}.@type: UnknownType: is "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxi", which Envoy does not have; did you mean ${PROXY}?`,
      ],
    ],
    'fields of what it holds': [
      filtered(proxy({ stat_prefx: 'a', cluster: 1 })),
      [
        `${AT}.stat_prefx: UnknownField: is no field of ${PROXY}; did you mean stat_prefix?`,
        `${AT}.cluster: WrongType: must be a text, not a number: put it in quotes`,
      ],
    ],
    'no value': [
      { '@type': `${PREFIX}google.protobuf.Struct`, a: 1 },
      [
        'a: UnknownField: is not read: what a google.protobuf.Struct holds stands under "value"',
        ': MissingField: must have "value", which holds the google.protobuf.Struct',
      ],
    ],
    'a wrong value': [
      { '@type': `${PREFIX}google.protobuf.Duration`, value: '1' },
      ['value: InvalidValue: must be a duration in seconds, like "1.5s"'],
    ],
    'what lacks a field that it must have, which cannot be encoded': [
      filtered({ '@type': `${PREFIX}google.protobuf.UninterpretedOption.NamePart` }),
      [
        `${AT}.namePart: MissingField: is required by google.protobuf.UninterpretedOption.NamePart`,
        `${AT}.isExtension: MissingField: is required by google.protobuf.UninterpretedOption.NamePart`,
      ],
    ],
  };
  for (const [name, [json, expected]] of Object.entries(wrong)) {
    it(`is refused: ${name}`, () => assert.deepEqual(read(json), expected));
  }

  it('is never so deep that it cannot be decoded', () => {
    const nested = (depth: number): unknown => {
      let json: unknown = { '@type': `${PREFIX}google.protobuf.Empty` };
      for (let at = 1; at < depth; at++) json = { '@type': `${PREFIX}google.protobuf.Any`, value: json };
      return json;
    };
    assert.match(String(read(nested(101))), /TooDeep/);
    const result = readAny(nested(100), registry);
    assert(result.read);
    const { desc, message } = result.message;
    assert.deepEqual(fromBinary(desc, toBinary(desc, message)), message);
  });
});

describe('a TypedStruct', () => {
  for (const type of STRUCTS) {
    for (const key of ['typeUrl', 'type_url']) {
      it(`is the message that it describes: ${type}, ${key}`, () => {
        const json = { '@type': PREFIX + type, [key]: PREFIX + PROXY, value: { stat_prefix: 'a', cluster: 'c' } };
        assert.deepEqual(read(json), { type: PROXY, json: { statPrefix: 'a', cluster: 'c' } });
        assert.deepEqual(read(filtered(json)), readFiltered(proxy({ statPrefix: 'a', cluster: 'c' })));
      });
    }
  }

  const typed = (fields: object) => ({ '@type': `${PREFIX}xds.type.v3.TypedStruct`, ...fields });

  it('in one is so too', () => {
    const inner = typed({ typeUrl: PREFIX + PROXY, value: { statPrefix: 'a' } });
    const outer = typed({ typeUrl: PREFIX + LISTENER, value: { filterChains: [{ filters: [{ name: 'f', typedConfig: inner }] }] } });
    assert.deepEqual(read(outer), readFiltered(proxy({ statPrefix: 'a' })));
  });

  it('may have no value', () => {
    assert.deepEqual(read(typed({ typeUrl: PREFIX + PROXY })), { type: PROXY, json: {} });
    assert.deepEqual(read(typed({ typeUrl: PREFIX + PROXY, value: null })), { type: PROXY, json: {} });
  });

  it('may hold a Struct, which stays one', () => {
    const type = 'google.protobuf.Struct';
    assert.deepEqual(read(typed({ typeUrl: PREFIX + type, value: { a: 1 } })), { type, json: { a: 1 } });
  });

  const wrong: Readonly<Record<string, readonly [object, readonly string[]]>> = {
    'no type': [{ value: {} }, [': MissingType: must have typeUrl, the type of its value']],
    'an unknown type': [
      { type_url: `${PREFIX}envoy.Lua`, value: {} },
      ['type_url: UnknownType: is "envoy.Lua", which Envoy does not have; did you mean envoy.extensions.filters.http.lua.v3.Lua?'],
    ],
    'itself again': [
      { typeUrl: `${PREFIX}udpa.type.v1.TypedStruct`, value: { typeUrl: PREFIX + PROXY } },
      ['typeUrl: UnknownType: must not be a TypedStruct again'],
    ],
    'a type given twice': [
      { typeUrl: PREFIX + PROXY, type_url: PREFIX + LISTENER },
      ['type_url: DuplicateField: is the same field as typeUrl'],
    ],
    'other fields': [
      { typeUrl: PREFIX + PROXY, statPrefix: 'a' },
      ['statPrefix: UnknownField: is no field of xds.type.v3.TypedStruct, which has typeUrl and value'],
    ],
    'mistakes in what it describes': [
      { typeUrl: PREFIX + PROXY, value: { stat_prefx: 'a', cluster: 1 } },
      [
        `value.stat_prefx: UnknownField: is no field of ${PROXY}; did you mean stat_prefix?`,
        'value.cluster: WrongType: must be a text, not a number: put it in quotes',
      ],
    ],
  };
  for (const [name, [fields, expected]] of Object.entries(wrong)) {
    it(`is refused: ${name}`, () => assert.deepEqual(read(typed(fields)), expected));
  }

  it('is nowhere but in an Any', () => {
    const fields = [...registry].flatMap((type) => (type.kind === 'message' ? type.fields : []));
    assert.deepEqual(
      fields.filter(({ message }) => message && isTypedStruct(message.typeName)),
      [],
    );
  });

  it('is of no other type', () => {
    const types = [...registry].flatMap(({ typeName }) => (typeName.endsWith('TypedStruct') ? typeName : []));
    assert.deepEqual(types.toSorted(), STRUCTS.toSorted());
    assert.deepEqual(
      types.filter((type) => !isTypedStruct(type)),
      [],
    );
  });
});
