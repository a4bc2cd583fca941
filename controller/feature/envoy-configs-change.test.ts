import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ask, ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
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

/** Asks on one connection, and on another where it was asked to. */
class KeptConnection implements Disposable {
  connections = 0;
  requests = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async ask(): Promise<{ readonly backend: string; readonly server: unknown }> {
    const request = get({ port: this.#port, agent: this.#agent, headers: { host: 'config.test' } });
    const [response]: readonly IncomingMessage[] = await once(request, 'response');
    assert.ok(response);
    this.requests += 1;
    if (!request.reusedSocket) this.connections += 1;
    response.resume();
    await once(response, 'end');
    return { backend: String(response.headers['x-backend'] ?? response.statusCode), server: response.headers['server'] };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

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

  test('have their listeners edited, and called otherwise, and no request notices', async () => {
    const own = await freePort();
    const edited = (listener: string, edit: number): ManifestObject => {
      const config = leadingTo('a', own, { http: { serverName: `edit-${edit}` } });
      return JSON.parse(JSON.stringify(config).replace('"name":"web","address"', `"name":"${listener}","address"`));
    };
    await write(edited('web', 0));
    const asking = new AbortController();
    const answers = new Set<string>();
    const servers = new Set<unknown>();
    const keepAsking = async (askOnce: () => Promise<{ readonly backend?: string; readonly server: unknown }>) => {
      while (!asking.signal.aborted) {
        const { backend, server } = await askOnce().catch((error) => ({ backend: String(error), server: undefined }));
        answers.add(backend ?? 'nobody');
        servers.add(server);
      }
    };
    using kept = new KeptConnection(own);
    const anew = async () => {
      const { headers, ...answer } = await ask(own);
      return { ...answer, server: headers['server'] };
    };
    const asked = Promise.all([keepAsking(anew), keepAsking(anew), keepAsking(() => kept.ask())]);
    try {
      for (const edit of [1, 2, 3]) await write(edited('web', edit));
      for (const edit of [4, 5, 6]) await write(edited(`web-${edit}`, edit));
    } finally {
      asking.abort();
      await asked;
    }
    assert.deepEqual([...answers], ['a']);
    for (const edit of [1, 3, 6]) assert.ok(servers.has(`edit-${edit}`), `edit ${edit} was never seen`);
    assert.ok(kept.connections < kept.requests, 'no connection was kept');
    await write();
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
