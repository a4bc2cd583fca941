import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescField, type DescMessage, getOption } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { rules, type StringRules, StringRulesSchema } from '@sluice/envoy-protos/validate/validate_pb.js';
import { CHOSEN_LATER } from './chosen-later.ts';
import { OTHER_WORDS } from './others/by-word.ts';
import { MEANINGS } from './table.ts';
import { configMessages, holdsString, stringFields } from './testing/config-fields.ts';

const registry = envoyRegistry();

/** Wide on purpose: who sounds like this must be classified by message and field. */
const SOUNDS_LIKE_A_RESOURCE =
  /cluster|listener|secret|route|upstream|service|target|endpoint|resource|locator|collection|backend|destination|instance|share|sharing|vhost|virtual_host|cache|provider|plugin|discover|certificate_provider|subscri|[crelsv]ds(_|$)|^(id|name)s?$/;

const words = new Set(Object.values(OTHER_WORDS).flatMap((list) => list.split(/\s+/).filter(Boolean)));

/** What brings a source to discover things from, and names nothing beside it. */
const NAMELESS_SOURCES: Readonly<Record<string, string>> = {
  'envoy.config.cluster.v3.Cluster': 'reports of load',
  'envoy.config.core.v3.ExtensionConfigSource': 'who holds it has the name',
  'envoy.config.route.v3.Vhds': 'chosen later',
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes': 'the scopes have the names',
};

test('each field that holds strings has been judged, by its word or by itself', () => {
  const unknown = stringFields(registry)
    .filter((field) => !MEANINGS.has(fullName(field)) && (!words.has(field.name) || SOUNDS_LIKE_A_RESOURCE.test(field.name)))
    .map(fullName);
  assert.deepEqual(unknown, []);
});

test('no word that sounds like a resource is judged for all messages at once', () => {
  assert.deepEqual(
    [...words].filter((word) => SOUNDS_LIKE_A_RESOURCE.test(word)),
    [],
  );
});

test('what is judged is there, holds strings and may come into a config', () => {
  const all = new Set(stringFields(registry).map(fullName));
  assert.deepEqual(
    [...MEANINGS.keys()].filter((field) => !all.has(field)),
    [],
  );
  const names = new Set(stringFields(registry).map(({ name }) => name));
  assert.deepEqual(
    [...words].filter((word) => !names.has(word)),
    [],
  );
});

test('no word is listed twice', () => {
  const listed = Object.values(OTHER_WORDS).flatMap((list) => list.split(/\s+/).filter(Boolean));
  assert.deepEqual(
    listed.filter((word, index) => listed.indexOf(word) !== index),
    [],
  );
});

test('what is chosen later is a message or a field that there is', () => {
  const unknown = Object.keys(CHOSEN_LATER).filter((name) => !registry.getMessage(name) && !fieldNamed(name));
  assert.deepEqual(unknown, []);
});

test('what stands by a reference for it to count is a field beside it', () => {
  for (const [name, meaning] of MEANINGS) {
    if (meaning.kind !== 'reference' || meaning.onlyWith === undefined) continue;
    assert.ok(
      fieldNamed(name)?.parent.fields.some((field) => field.name === meaning.onlyWith),
      name,
    );
  }
});

test('whatever brings a source to discover from names what it asks for, or is known not to', () => {
  const nameless = configMessages(registry)
    .filter((message) => message.fields.some(isSource))
    .filter((message) => !message.fields.some((field) => MEANINGS.get(fullName(field))?.kind === 'reference'))
    .map(({ typeName }) => typeName)
    .sort();
  assert.deepEqual(nameless, Object.keys(NAMELESS_SOURCES));
});

test('Envoy accepts a full name wherever a reference stands', () => {
  const refusing = [...MEANINGS].flatMap(([name, meaning]) => {
    const field = meaning.kind === 'other' ? undefined : fieldNamed(name);
    return field && narrows(field) ? [name] : [];
  });
  assert.deepEqual(refusing, ['envoy.data.dns.v3.DnsTable.DnsServiceTarget.cluster_name']);
  assert.ok(refusing.every((name) => name in CHOSEN_LATER));
});

test('the walk over descriptors sees lists, keys and values of maps, and wrapped strings', () => {
  const kinds = [
    'envoy.config.core.v3.HttpUri.cluster',
    'envoy.config.core.v3.ApiConfigSource.cluster_names',
    'envoy.extensions.filters.http.health_check.v3.HealthCheck.cluster_min_healthy_percentages',
    'envoy.config.core.v3.HeaderValue.value',
    'envoy.extensions.filters.http.mcp.v3.Mcp.max_supported_protocol_version',
  ];
  for (const kind of kinds) assert.equal(mustBe(fieldNamed(kind), kind, holdsString), true, kind);
  const others = ['envoy.config.core.v3.HttpUri.timeout', 'envoy.config.core.v3.SocketAddress.port_value'];
  for (const kind of others) assert.equal(mustBe(fieldNamed(kind), kind, holdsString), false, kind);
});

function mustBe<T>(field: DescField | undefined, name: string, ask: (field: DescField) => T): T {
  if (!field) throw new Error(`no field ${name}`);
  return ask(field);
}

function fullName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

function fieldNamed(name: string): DescField | undefined {
  const dot = name.lastIndexOf('.');
  const message: DescMessage | undefined = registry.getMessage(name.slice(0, dot));
  return message?.fields.find((field) => field.name === name.slice(dot + 1));
}

function isSource({ message }: DescField): boolean {
  return message !== undefined && /^envoy\.config\.core\.v3\.(Extension)?ConfigSource$/.test(message.typeName);
}

/** Whether there is a rule about a field's strings other than that they must not be empty. */
function narrows(field: DescField): boolean {
  const rules = stringRules(field);
  if (!rules) return false;
  const said = reflect(StringRulesSchema, rules);
  return said.fields.some((rule) => said.isSet(rule) && !['min_len', 'min_bytes', 'ignore_empty', 'strict'].includes(rule.name));
}

function stringRules(field: DescField): StringRules | undefined {
  const { type } = getOption(field, rules);
  const own = type.case === 'repeated' ? type.value.items?.type : type.case === 'map' ? type.value.keys?.type : type;
  return own?.case === 'string' ? own.value : undefined;
}
