import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { eventually } from '../../testkit/eventually.ts';
import { ModelClient } from '../../testkit/xds/model-client.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { RelayScene } from '../../testkit/xds/relay-scene.ts';
import type { XdsStream } from '../../testkit/xds/xds-connection.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, NodeViews, type Resource, ROUTES_TYPE, SCOPED_ROUTES_TYPE, SnapshotCache } from '../serve/index.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 20);
const TYPES = [CLUSTER_TYPE, ENDPOINTS_TYPE, ROUTES_TYPE, SCOPED_ROUTES_TYPE];

const PLACES = ['north', 'south'] as const;

/** Sites of which each is endpoints, a cluster, its routes and the scope that names them. */
const site = fc.record({ id: fc.nat(3), version: fc.nat(3), bad: fc.boolean() });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ sites: fc.uniqueArray(site, { selector: ({ id }) => id, maxLength: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ turns: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ seen: fc.option(fc.subarray([0, 1, 2, 3])) }) },
  { weight: 1, arbitrary: fc.record({ place: fc.constantFrom(...PLACES) }) },
  { weight: 2, arbitrary: fc.record({ breaks: fc.constantFrom('client', 'client-restart', 'relay', 'controller' as const) }) },
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

/** Of endpoints a node has what its place makes of them, which may be the same for another version. */
function formIn(place: string, sent: Resource): Resource {
  if (sent.typeUrl !== ENDPOINTS_TYPE) return sent;
  return modelResource(sent.typeUrl, sent.name, `${Math.floor(Number(sent.version) / 2)} ${place}`);
}

/** A client of the relay that comes back whenever its stream ends, as Envoy does. */
class ReturningClient {
  readonly model = new ModelClient({ nodeId: 'envoy', variant: 'delta', refuses: ({ version }) => version.includes('!') });
  readonly #scene: RelayScene;
  #stream: XdsStream | undefined;
  isOver = false;

  constructor(scene: RelayScene) {
    this.#scene = scene;
    this.#open();
  }

  async reconnect(anew: boolean): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.[Symbol.dispose]();
    await stream?.ended;
    if (anew) this.model.restart();
    this.#open();
  }

  #open(): void {
    const stream = this.#scene.connect().open('/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources');
    this.#stream = stream;
    stream.onResponse((response) => this.#stream === stream && this.model.receive(response));
    stream.ended.then(() => {
      if (this.#stream === stream && !this.isOver) setTimeout(() => this.#stream === stream && !this.isOver && this.#open(), 5).unref();
    });
    this.model.connect((request) => stream.send(request));
  }
}

async function disturb(scene: RelayScene, client: ReturningClient, what: string): Promise<void> {
  if (what === 'relay') await scene.restartRelay();
  else if (what === 'controller') await scene.controller.restartServer();
  else await client.reconnect(what === 'client-restart');
}

/** What the node is to have: with each site that it may see all that is of it; null for all sites. */
function published({ controller: { cache } }: RelayScene, seen: readonly number[] | null): Resource[] {
  const isSeen = ({ name }: Resource) => seen === null || seen.some((id) => name === `s${id}`);
  return TYPES.flatMap((typeUrl) => [...cache.ofType(typeUrl).values()].map(({ resource }) => resource)).filter(isSeen);
}

function grantOf(seen: readonly number[] | null) {
  return seen === null ? 'everything' : seen.map((id) => ({ typeUrl: SCOPED_ROUTES_TYPE, name: `s${id}` }));
}

function wordsOf(resources: Iterable<Resource>): string[] {
  return Array.from(resources, wordOf).sort();
}

function wordOf({ typeUrl, name, version }: Resource): string {
  return `${typeUrl} ${name}@${version}`;
}

function assertConverged(scene: RelayScene, { model }: ReturningClient, expected: readonly Resource[]): void {
  for (const typeUrl of TYPES) {
    const wanted = expected.filter((each) => each.typeUrl === typeUrl).map(({ name, version }) => `${name}@${version}`);
    const has = [...model.resources(typeUrl).values()].map(({ name, version }) => `${name}@${version}`);
    assert.deepEqual(has.sort(), wanted.sort());
  }
  assert.deepEqual([...model.warming], []);
  assert.equal(scene.controller.server.clients()[0]?.synced, true);
}

describe('through a relay', () => {
  test('any run of changes, refusals, other views and forms, and restarts of all three ends with the client at the snapshot', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
        const cache = new SnapshotCache();
        const views = new NodeViews(cache, 'everything');
        let place: string = PLACES[0];
        await using scene = await RelayScene.open({ localForm: (sent) => formIn(place, sent) }, { cache, views });
        let seen: readonly number[] | null = null;
        const client = new ReturningClient(scene);
        for (const each of steps) {
          if ('sites' in each) scene.controller.publish(...each.sites.flatMap(resourcesOf));
          else if ('seen' in each) {
            seen = each.seen;
            views.grant(new Map([['node-0', grantOf(seen)]]));
          } else if ('place' in each) {
            place = each.place;
            scene.relay.reviewForms();
          } else if ('turns' in each) for (let count = 0; count < each.turns; count++) await turn();
          else await disturb(scene, client, each.breaks);
        }
        // The last is often of a form that was there before.
        scene.controller.publish(...[9, 9, 3].flatMap((version, id) => resourcesOf({ id, version, bad: false })));
        const expected = published(scene, seen);
        const forms = expected.map((sent) => formIn(place, sent));
        await eventually(() => assertConverged(scene, client, forms));
        const accepted = new Set(
          scene.outcomes.flatMap(({ typeUrl, name, version, outcome }) => (outcome === 'nack' ? [] : [`${typeUrl} ${name}@${version}`])),
        );
        const claimed = scene.controller.outcomes.filter(({ outcome, removed }) => outcome !== 'nack' && !removed);
        for (const { typeUrl, name, version } of claimed) {
          const possible = PLACES.map((each) => wordOf(formIn(each, modelResource(typeUrl, name, version))));
          assert.ok(
            possible.some((word) => accepted.has(word)),
            `${name}@${version}`,
          );
        }
        await eventually(() => assert.deepEqual(wordsOf(scene.store.resources()), wordsOf(expected)));
        client.isOver = true;
      }),
      { numRuns: RUNS, endOnFailure: process.env['SLUICE_PROPERTY_SHRINK'] === '0' },
    );
  });
});
