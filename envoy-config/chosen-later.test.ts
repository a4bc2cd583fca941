import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { EXTENSIONS, FIELDS, HARMLESS, PARTS, VALUES } from './privileges/tables.ts';
import { CHOSEN_LATER } from './references/chosen-later.ts';

const TABLES = [EXTENSIONS, PARTS, FIELDS, VALUES];
/** Only what is privileged holds these, or what cannot come into a config. */
const WITHIN_PRIVILEGED = new Set([
  'envoy.data.dns.v3.DnsTable.DnsServiceTarget.cluster_name',
  'envoy.extensions.dynamic_modules.v3.DynamicModuleConfig',
  'envoy.extensions.wasm.v3.PluginConfig',
  'envoy.extensions.filters.http.on_demand.v3.OnDemandCds',
  'xds.core.v3.CollectionEntry.locator',
]);

for (const name of Object.keys(CHOSEN_LATER)) {
  test(`${name}, whose names are known only later, is for nobody without a permission`, () => {
    assert.ok(WITHIN_PRIVILEGED.has(name) || namesOf(name).some((each) => TABLES.some((table) => table.has(each))));
    assert.equal(HARMLESS.has(name), false);
  });
}

/** A field, its message and what it holds. */
function namesOf(name: string): readonly string[] {
  const message = name.slice(0, name.lastIndexOf('.'));
  const field = envoyRegistry()
    .getMessage(message)
    ?.fields.find((each) => `${message}.${each.name}` === name);
  const held = field?.fieldKind === 'message' ? [field.message.typeName] : [];
  return [name, message, ...held];
}
