import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { uselessPrivileges } from './useless-privileges.ts';

const ENTRIES = {
  'envoy.extensions.filters.http.lua.v3.Lua': undefined,
  'envoy.config.core.v3.GrpcService.GoogleGrpc': undefined,
  'envoy.config.listener.v3.Listener.address': undefined,
  'envoy.config.core.v3.DataSource.filename': undefined,
  // In no table, so that it is privileged where it stands as an extension.
  'envoy.config.bootstrap.v3.Bootstrap': undefined,
  'envoy.config.core.v3.SocketOption': 'never',
  'envoy.config.listener.v3.Listener.transparent': 'never',
  'envoy.config.endpoint.v3.Endpoint.address': 'never',
  'envoy.extensions.filters.listener.original_src.v3.OriginalSrc': 'never',
  'envoy.extensions.filters.http.router.v3.Router': 'harmless',
  'envoy.config.listener.v3.Listener.name': 'harmless',
  'envoy.extensions.filters.http.lua.v2.Lua': 'unknown',
  'envoy.config.listener.v3.Listener.adress': 'unknown',
  'envoy.config.listener.v3.Listener.bindToPort': 'unknown',
  Lua: 'unknown',
  '': 'unknown',
} as const;

for (const [name, problem] of Object.entries(ENTRIES)) {
  test(`an operator's ${JSON.stringify(name)} is ${problem ?? 'of use'}`, () => {
    assert.deepEqual(uselessPrivileges([name, name], envoyRegistry()), problem ? [{ name, problem }] : []);
  });
}
