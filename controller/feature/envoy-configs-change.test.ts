import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { cluster, envoyConfigManifest, type HttpConfig, httpConfigManifest, type Json } from '../../testkit/envoy-config-manifests.ts';
import { ingressManifest, type ManifestObject, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { freePort } from '../../testkit/ports.ts';

const ALL = { prefix: '/' };

/** A config that leads to one backend. */
function leadingTo(service: string, port: number, more: Partial<HttpConfig> = {}): ManifestObject {
  const routes = [{ match: ALL, route: { cluster: service } }];
  return httpConfigManifest('web', { port, routes, clusters: { [service]: {} }, ...more });
}

const WRONG: Json = { match: { prefx: '/' }, route: { cluster: 'b' } };

describe('CiliumEnvoyConfigs that change', { ...needs('envoy'), timeout: 120_000 }, () => {
  const sluice = new ConfiguredSluice();
  let port = 0;

  before(async () => {
    await sluice.addBackends('a', 'b');
    sluice.write('ingress.yaml', ingressManifest('neighbour', { rules: { 'neighbour.test': 'a' } }));
    await sluice.start();
  });
  beforeEach(async () => {
    port = await freePort();
  });
  after(() => sluice.stop());

  async function write(...objects: readonly ManifestObject[]): Promise<void> {
    sluice.write('web.yaml', ...objects);
    await sluice.settled();
  }

  /** Who answers at the config's port, where anybody listens, and what is told. Ingresses have nothing to do with it. */
  async function state(): Promise<readonly string[]> {
    assert.equal(await sluice.whoAnswers('neighbour.test'), 'a');
    return [
      await whoAnswersAt(port).catch(() => 'nobody'),
      ...(await sluice.findings()).map((found) => found.replace('CiliumEnvoyConfig/', '')),
    ];
  }

  test('are edited in place, and gone when they are removed', async () => {
    await write(leadingTo('a', port));
    assert.deepEqual(await state(), ['a']);
    await write(leadingTo('b', port));
    assert.deepEqual(await state(), ['b']);
    const old = port;
    port = await freePort();
    await write(leadingTo('b', port));
    assert.deepEqual(await state(), ['b']);
    await assert.rejects(whoAnswersAt(old));
    await write();
    assert.deepEqual(await state(), ['nobody']);
  });

  test('keep what was good while they are wrong', async () => {
    await write(leadingTo('a', port));
    await write(leadingTo('b', port, { routes: [WRONG] }));
    assert.deepEqual(await state(), ['a', 'web InvalidEnvoyConfig', 'web LastGoodEnvoyConfig']);
    await write(leadingTo('b', port));
    assert.deepEqual(await state(), ['b']);
  });

  test('have nothing from before where they are made anew, and wrong', async () => {
    const named = (uid: string, object: ManifestObject) => ({ ...object, metadata: { ...object.metadata, uid } });
    await write(named('first', leadingTo('a', port)));
    await write(named('first', leadingTo('a', port, { routes: [WRONG] })));
    assert.deepEqual(await state(), ['a', 'web InvalidEnvoyConfig', 'web LastGoodEnvoyConfig']);
    await write(named('second', leadingTo('a', port, { routes: [WRONG] })));
    assert.deepEqual(await state(), ['nobody', 'web InvalidEnvoyConfig']);
    await write(leadingTo('a', port));
    await write();
    await write(leadingTo('a', port, { routes: [WRONG] }));
    assert.deepEqual(await state(), ['nobody', 'web InvalidEnvoyConfig']);
    await write();
  });

  test('wait for a name that an older one has', async () => {
    const named = (service: string) => [cluster(service, { name: 'default/shared' })];
    const routes = [{ match: ALL, route: { cluster: 'default/shared' } }];
    const shared = (service: string, creationTimestamp: string) =>
      leadingTo(service, port, { routes, more: named(service), creationTimestamp });
    const older = envoyConfigManifest('older', named('a'), { backends: { a: [] }, creationTimestamp: '2025-01-01T00:00:00Z' });
    await write(shared('b', '2026-01-01T00:00:00Z'));
    assert.deepEqual(await state(), ['b']);
    sluice.write('older.yaml', older);
    await sluice.settled();
    assert.deepEqual(await state(), ['nobody', 'web NameTaken']);
    sluice.remove('older.yaml');
    await sluice.settled();
    assert.deepEqual(await state(), ['b']);
    await write();
  });

  test('follow the endpoints of their Services', async () => {
    const [one, two] = [await sluice.startBackend({ name: 'one' }), await sluice.startBackend({ name: 'two' })];
    const slice = (name: string, to: number, conditions: Readonly<Record<string, boolean>>) =>
      sliceManifest('moving', to, { name, endpoints: [{ conditions }] });
    const ending = { ready: false, serving: true, terminating: true };
    await write(leadingTo('moving', port));
    assert.deepEqual(await state(), ['503', 'web BackendServiceNotFound']);
    const table = [
      [{ ready: true }, ending, 'one'],
      [ending, ending, 'one or two'],
      [{ ready: false }, ending, 'two'],
      [{ ready: false }, { ready: false }, '503'],
    ] as const;
    for (const [first, second, expected] of table) {
      sluice.write('moving.yaml', serviceManifest('moving'), slice('one', one.port, first), slice('two', two.port, second));
      await sluice.settled();
      const answers = new Set([await whoAnswersAt(port), await whoAnswersAt(port), await whoAnswersAt(port), await whoAnswersAt(port)]);
      assert.equal([...answers].sort().join(' or '), expected);
    }
    assert.deepEqual((await state()).slice(1), []);
    await write();
  });
});
