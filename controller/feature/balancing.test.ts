import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ingressManifest, type ManifestObject, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { freePort } from '../../testkit/ports.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const HOST = 'web.test';
const CLIENTS = Array.from({ length: 12 }, (_, index) => `127.0.0.${index + 2}`);

/** A Service `web` with an endpoint for each port, and the Ingress for it. */
function webOf(ports: readonly number[], { spec = {}, annotations = {} } = {}): readonly ManifestObject[] {
  const slices = ports.map((port, index) => sliceManifest('web', port, { name: `web-${index}` }));
  return [serviceManifest('web', [{ port: 80 }], spec), ...slices, ingressManifest('web', { rules: { [HOST]: 'web' }, annotations })];
}

describe('balancing', needs('envoy'), () => {
  const sluice = new RunningSluice();
  let backends: readonly Backend[] = [];
  before(async () => {
    backends = await Promise.all(['a', 'b', 'c'].map((name) => sluice.startBackend({ name })));
    sluice.write('web.yaml', ...webOf(backends.map(({ port }) => port)));
    await sluice.start();
  });
  after(() => sluice.stop());

  const asClient = async (localAddress: string) => await sluice.whoAnswers(HOST, '/', { localAddress });

  test('every endpoint gets its turn', async () => {
    const answers: string[] = [];
    for (let count = 0; count < 6; count += 1) answers.push(await sluice.whoAnswers(HOST));
    assert.deepEqual(answers.sort(), ['a', 'a', 'b', 'b', 'c', 'c']);
  });

  test('request-timeout is kept, and a request within it is answered', async () => {
    sluice.write(
      'web.yaml',
      ...webOf(
        backends.map(({ port }) => port),
        { annotations: { 'request-timeout': '300ms' } },
      ),
    );
    await sluice.settled();
    assert.equal(await sluice.whoAnswers(HOST, '/?delay=20000'), '504');
    assert.match(await sluice.whoAnswers(HOST, '/?delay=1'), /^[abc]$/);
    sluice.write('web.yaml', ...webOf(backends.map(({ port }) => port)));
    await sluice.settled();
    assert.match(await sluice.whoAnswers(HOST, '/?delay=600'), /^[abc]$/);
  });

  test('sessionAffinity ClientIP of a Service keeps a client on one endpoint', async () => {
    sluice.write(
      'web.yaml',
      ...webOf(
        backends.map(({ port }) => port),
        { spec: { sessionAffinity: 'ClientIP' } },
      ),
    );
    await sluice.settled();
    const first = await Promise.all(CLIENTS.map(asClient));
    assert.ok(new Set(first).size > 1, `${first}`);
    assert.deepEqual(await Promise.all(CLIENTS.map(asClient)), first);
  });

  test('no retry unless the settings ask for it', async () => {
    const before = backends.reduce((sum, { requestCount }) => sum + requestCount, 0);
    assert.equal(await sluice.whoAnswers(HOST, '/?reset'), '503');
    assert.equal(
      backends.reduce((sum, { requestCount }) => sum + requestCount, 0),
      before + 1,
    );
  });
});

describe('session affinity by source address', needs('envoy'), () => {
  const sluice = new RunningSluice({ settings: { upstream: { sessionAffinity: { kind: 'source-ip' } } } });
  before(async () => {
    const backends = await Promise.all(['a', 'b', 'c'].map((name) => sluice.startBackend({ name })));
    sluice.write('web.yaml', ...webOf(backends.map(({ port }) => port)));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('keeps a client on one endpoint', async () => {
    const whoAnswers = () => Promise.all(CLIENTS.map((localAddress) => sluice.whoAnswers(HOST, '/', { localAddress })));
    const first = await whoAnswers();
    assert.ok(new Set(first).size > 1, `${first}`);
    assert.deepEqual(await whoAnswers(), first);
  });
});

describe('session affinity by cookie, with retries and outlier detection', needs('envoy'), () => {
  const upstream = {
    sessionAffinity: { kind: 'cookie', name: 'stay', ttl: '60s' },
    retry: { on: ['connect-failure', '5xx'], attempts: 2 },
    outlierDetection: { consecutiveErrors: 2, interval: '100ms', baseEjectionTime: '60s', maxEjectionPercent: 100 },
  };
  const sluice = new RunningSluice({ settings: { upstream } });
  let backends: readonly Backend[] = [];
  before(async () => {
    backends = await Promise.all(['a', 'b', 'c'].map((name) => sluice.startBackend({ name })));
    sluice.write('web.yaml', ...webOf(backends.map(({ port }) => port)));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('the cookie keeps a client on one endpoint', async () => {
    const answers = new Set<string | undefined>();
    for (let client = 0; client < 12; client += 1) {
      const first = await sluice.get(HOST);
      const [cookie = ''] = first.headers['set-cookie'] ?? [];
      assert.match(cookie, /^stay="?[^;"]+"?; Max-Age=60; Path=\/; HttpOnly/);
      const headers = { cookie: cookie.split(';', 1)[0] };
      for (let count = 0; count < 3; count += 1) assert.equal(await sluice.whoAnswers(HOST, '/', { headers }), first.backend);
      answers.add(first.backend);
    }
    assert.ok(answers.size > 1, `${[...answers]}`);
  });

  test('what an endpoint refuses is tried again, as often as the settings say', async () => {
    const before = backends.reduce((sum, { requestCount }) => sum + requestCount, 0);
    assert.equal((await sluice.get(HOST, '/?status=503')).status, 503);
    assert.equal(
      backends.reduce((sum, { requestCount }) => sum + requestCount, 0),
      before + 3,
    );
  });

  test('an endpoint that cannot be reached is gone around and set aside', async () => {
    sluice.write('half.yaml', serviceManifest('half'), ...halfSlices(backends[0]?.port ?? 0, await freePort()));
    sluice.write('half-ingress.yaml', ingressManifest('half', { rules: { 'half.test': 'half' } }));
    await sluice.settled();
    const answers: string[] = [];
    for (let count = 0; count < 20; count += 1) answers.push(await sluice.whoAnswers('half.test'));
    assert.deepEqual(answers, new Array(20).fill('a'));
    assert.match(await sluice.envoyAdmin('/stats?filter=default_half.*ejections_active'), /ejections_active: 1\n/);
  });
});

function halfSlices(good: number, dead: number): readonly ManifestObject[] {
  return [sliceManifest('half', good, { name: 'half-good' }), sliceManifest('half', dead, { name: 'half-dead' })];
}
