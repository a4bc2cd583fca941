import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { qualifyMessage } from './qualify-message.ts';
import type { ConfigName } from './qualify-names.ts';

const registry = envoyRegistry();

const TYPED = 'type.googleapis.com/envoy.extensions';
const INNER = { address: { envoyInternalAddress: { serverListenerName: 'web' } } };

const CLUSTERS: readonly JsonObject[] = [
  { name: 'one', type: 'STATIC', loadAssignment: { clusterName: 'one' } },
  { name: 'inner', type: 'STATIC', loadAssignment: { clusterName: 'inner', endpoints: [{ lbEndpoints: [{ endpoint: INNER }] }] } },
];

const ROUTES = {
  name: 'web',
  virtualHosts: [
    {
      name: 'web',
      domains: ['*'],
      routes: [
        { match: { prefix: '/one' }, route: { cluster: 'one', requestMirrorPolicies: [{ cluster: 'inner' }] } },
        {
          match: { prefix: '/' },
          route: {
            weightedClusters: {
              clusters: [
                { name: 'one', weight: 1 },
                { name: 'inner', weight: 2 },
              ],
            },
          },
        },
      ],
    },
  ],
};

const HTTP = {
  '@type': `${TYPED}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
  statPrefix: 'web',
  routeConfig: ROUTES,
  httpFilters: [{ name: 'router', typedConfig: { '@type': `${TYPED}.filters.http.router.v3.Router` } }],
};

const LISTENER = { name: 'web', internalListener: {}, filterChains: [{ filters: [{ name: 'http', typedConfig: HTTP }] }] };

/** Envoy checks that there is every cluster that a route names, where both are in its bootstrap. */
describe('what Envoy makes of the names', { ...needs('envoy'), timeout: 60_000 }, () => {
  for (const config of [
    { namespace: 'default', name: 'shop' },
    { namespace: '', name: 'shop' },
  ]) {
    test(`those of a config of "${config.namespace}" are names to it, and its references meet`, async () => {
      const bootstrap = bootstrapOf(
        [qualified('listener', LISTENER, config)],
        CLUSTERS.map((cluster) => qualified('cluster', cluster, config)),
      );
      assert.equal(await whyRefused(bootstrap), undefined);
    });
  }

  test('a reference that stayed behind is refused', async () => {
    const config = { namespace: 'default', name: 'shop' };
    const bootstrap = bootstrapOf(
      [LISTENER],
      CLUSTERS.map((cluster) => qualified('cluster', cluster, config)),
    );
    assert.match((await whyRefused(bootstrap)) ?? '', /unknown cluster/);
  });
});

function qualified(kind: 'listener' | 'cluster', json: JsonObject, config: ConfigName): JsonValue {
  const desc = registry.getMessage(kind === 'listener' ? 'envoy.config.listener.v3.Listener' : 'envoy.config.cluster.v3.Cluster');
  if (!desc) throw new Error(`no ${kind}`);
  const message = fromJson(desc, json, { registry });
  assert.deepEqual(qualifyMessage(reflect(desc, message), registry, config), []);
  return toJson(desc, message, { registry });
}

function bootstrapOf(listeners: JsonValue[], clusters: JsonValue[]): JsonObject {
  const internal = { name: 'internal', typedConfig: { '@type': `${TYPED}.bootstrap.internal_listener.v3.InternalListener` } };
  return { bootstrapExtensions: [internal], staticResources: { listeners, clusters } };
}

/** What Envoy says of a bootstrap that it does not start with. */
async function whyRefused(bootstrap: JsonObject): Promise<string | undefined> {
  using folder = new TemporaryFolder();
  const path = folder.join('bootstrap.json');
  writeFileSync(path, JSON.stringify(bootstrap));
  try {
    await promisify(execFile)(envoyBinary(), ['--mode', 'validate', '--config-path', path]);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  }
}
