import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { SLOT_METADATA } from '../../l7-filters/envoy/compare-secrets.ts';
import { lookAt } from './by-value/uses-of-value.ts';
import { any, foundIn, named, resource, withHttp } from './testing/resources.ts';
import { ORDINARY, TRIES } from './testing/tries.ts';

/** Of the tries, those that no list lets in. */
const NEVER = new Set([
  'marks of a listener',
  'marks of a cluster',
  'an HTTP filter for source addresses',
  'a listener filter for source addresses',
  'a transparent listener',
  'foreign addresses',
  'socket options by filter state',
  'a network namespace',
  'a Unix socket',
  'a source that is another server',
  'a secret of another server',
  'a filter served by itself',
  'what policies’ filters say to each other',
  'other rules for a slot’s filter, by a route',
  'a slot’s filter switched off by a virtual host',
  'the same by all routes',
  'the same by a weighted cluster',
  'JSON for whatever takes it',
  'a message that says it is another',
]);

for (const [title, kind, json, expected] of TRIES) {
  test(`refused: ${title}`, () => {
    assert.deepEqual(foundIn(resource(kind, json)), [expected]);
  });

  test(`${NEVER.has(title) ? 'refused whatever the list says' : 'let in by the list'}: ${title}`, () => {
    const [what = ''] = expected.split(' @ ');
    const found = foundIn(resource(kind, json), [what]);
    assert.deepEqual(found, NEVER.has(title) ? [expected] : []);
  });
}

for (const [title, kind, json] of ORDINARY) {
  test(`let in: ${title}`, () => {
    assert.deepEqual(foundIn(resource(kind, json)), []);
  });
}

test('what is let in is looked into', () => {
  const lua = named('e.filters.http.lua.v3.Lua', { defaultSourceCode: { filename: '/x.lua' } });
  const found = foundIn(resource('listener', withHttp({}, lua)), ['envoy.extensions.filters.http.lua.v3.Lua']);
  const filter = 'filterChains.0.filters.0.typedConfig.httpFilters.0.typedConfig';
  assert.deepEqual(found, [`envoy.config.core.v3.DataSource.filename @ ${filter}.defaultSourceCode.filename`]);
});

test('a program’s own config may be JSON', () => {
  const configuration = any('google.protobuf.Struct', { value: { a: 1 } });
  const wasm = named('e.filters.http.wasm.v3.Wasm', { config: { configuration, vmConfig: { configuration } } });
  assert.deepEqual(foundIn(resource('listener', withHttp({}, wasm)), ['envoy.extensions.filters.http.wasm.v3.Wasm']), []);
});

test('everything that is wrong is found at once', () => {
  const lua = named('e.filters.http.lua.v3.Lua');
  const json = { ...withHttp({}, lua, lua), transparent: true, freebind: true };
  assert.equal(foundIn(resource('listener', json)).length, 4);
});

test('whatever tells filters of routes by their names is looked at', () => {
  const names: string[] = [];
  for (const type of envoyRegistry()) {
    if (type.kind !== 'message' || !type.fields.some(({ name }) => name === 'typed_per_filter_config')) continue;
    if (!lookAt(type)) names.push(type.typeName);
  }
  assert.deepEqual(names, []);
});

test('the namespace of slots is the one that is kept from others', () => {
  assert.equal(SLOT_METADATA, 'sluice.slot');
});
