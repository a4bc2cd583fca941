import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { ModelClient } from '../../testkit/xds/model-client.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import type { XdsStream } from '../../testkit/xds/xds-connection.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, type Resource, ROUTES_TYPE, SCOPED_ROUTES_TYPE } from './index.ts';

const RUNS = 30;

/** Sites of which each is endpoints, a cluster, its routes and the scope that names them. */
const site = fc.record({ id: fc.nat(3), version: fc.nat(3), bad: fc.boolean() });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ sites: fc.uniqueArray(site, { selector: ({ id }) => id, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ turns: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ restart: fc.boolean() }) },
);

function resourcesOf({ id, version, bad }: { id: number; version: number; bad: boolean }): Resource[] {
  const name = `s${id}`;
  return [
    modelResource(ENDPOINTS_TYPE, name, `${version}`),
    modelResource(CLUSTER_TYPE, name, `${version % 2}`, [{ typeUrl: ENDPOINTS_TYPE, name }]),
    modelResource(ROUTES_TYPE, name, bad ? `${version}!` : `${version}`, [{ typeUrl: CLUSTER_TYPE, name }]),
    modelResource(SCOPED_ROUTES_TYPE, name, '1', [{ typeUrl: ROUTES_TYPE, name }]),
  ];
}

function open(scene: XdsScene, client: ModelClient): XdsStream {
  const method = client.options.variant === 'delta' ? 'DeltaAggregatedResources' : 'StreamAggregatedResources';
  const stream = scene.connect().open(`/envoy.service.discovery.v3.AggregatedDiscoveryService/${method}`);
  let isCurrent = true;
  stream.onResponse((response) => isCurrent && client.receive(response));
  stream.ended.then(() => {
    isCurrent = false;
  });
  client.connect((request) => stream.send(request));
  return stream;
}

for (const variant of ['delta', 'sotw'] as const) {
  describe(`over real sockets, ${variant}`, () => {
    test('any run of changes, reconnects and restarts ends with the client at the snapshot', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
          await using scene = await XdsScene.open();
          const client = new ModelClient({ nodeId: 'node-0', variant, refuses: ({ version }) => version.includes('!') });
          let stream = open(scene, client);
          for (const each of steps) {
            if ('sites' in each) scene.publish(...each.sites.flatMap(resourcesOf));
            else if ('turns' in each) for (let count = 0; count < each.turns; count++) await turn();
            else {
              stream[Symbol.dispose]();
              await stream.ended;
              if (each.restart) client.restart();
              stream = open(scene, client);
            }
          }
          scene.publish(...[0, 1, 2].flatMap((id) => resourcesOf({ id, version: 9, bad: false })));
          await scene.server.waitSynced('node-0', {
            revision: scene.cache.revision,
            types: [CLUSTER_TYPE, ENDPOINTS_TYPE, SCOPED_ROUTES_TYPE, ROUTES_TYPE],
          });
          for (const typeUrl of [CLUSTER_TYPE, ENDPOINTS_TYPE, ROUTES_TYPE, SCOPED_ROUTES_TYPE]) {
            for (const [name, { resource }] of scene.cache.ofType(typeUrl)) {
              assert.equal(client.resources(typeUrl).get(name)?.version, resource.version, name);
            }
          }
          // What is on its way out need not become usable any more.
          const isWanted = (name: string) => scene.cache.get({ typeUrl: CLUSTER_TYPE, name }) !== undefined;
          assert.deepEqual([...client.warming].filter(isWanted), []);
        }),
        { numRuns: RUNS, endOnFailure: process.env['SLUICE_PROPERTY_SHRINK'] === '0' },
      );
    });
  });
}
