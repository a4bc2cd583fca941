import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { after, before, describe, test } from 'node:test';
import type { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const READY = { conditions: { ready: true } };
const NOT_READY = { conditions: { ready: false } };
const DRAINING = { conditions: { ready: false, serving: true, terminating: true } };
const GONE = { conditions: { ready: false, serving: false, terminating: true } };

describe('backends', needs('envoy'), () => {
  const sluice = new RunningSluice();
  let [first, second]: readonly Backend[] = [];

  before(async () => {
    await sluice.addBackends('neighbour');
    first = await sluice.startBackend({ name: 'first' });
    second = await sluice.startBackend({ name: 'second' });
    sluice.write('neighbour.yaml', ingressManifest('neighbour', { rules: { 'neighbour.test': 'neighbour' } }));
    await sluice.start();
  });
  after(() => sluice.stop());

  /** Who answers, over as many requests as every endpoint gets its turn in. */
  async function allWhoAnswer(host: string): Promise<readonly string[]> {
    const answers = new Set<string>();
    for (let count = 0; count < 6; count += 1) answers.add(await sluice.whoAnswers(host));
    return [...answers].sort();
  }

  /** A Service `web` with the named ports 80 and 81, and what its slice has of each backend. */
  function writeWeb(...endpoints: readonly { readonly conditions: Readonly<Record<string, boolean>> }[]): void {
    const [one, two] = [first?.port ?? 0, second?.port ?? 0];
    const slices = endpoints.map((endpoint, index) =>
      sliceManifest('web', [{ name: 'http', port: index === 0 ? one : two }], { name: `web-${index}`, endpoints: [endpoint] }),
    );
    sluice.write(
      'web.yaml',
      serviceManifest('web', [{ name: 'http', port: 80, targetPort: 'web' }]),
      ingressManifest('web', { rules: { 'web.test': [{ service: 'web', port: 'http' }] } }),
      ...slices,
    );
  }

  test('a Service that is missing is answered for with 500 until it comes', async () => {
    sluice.write('late.yaml', ingressManifest('late', { rules: { 'late.test': 'late' } }));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('late.test'), '500');
    assert.equal(await sluice.whoAnswers('neighbour.test'), 'neighbour');
    assert.deepEqual(await sluice.findings(), ['Ingress/late ServiceNotFound']);
    sluice.write('late-service.yaml', serviceManifest('late'), sliceManifest('late', first?.port ?? 0));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('late.test'), 'first');
    assert.deepEqual(await sluice.findings(), []);
  });

  test('a port that is missing is answered for with 500', async () => {
    const paths = [
      { path: '/number', service: 'neighbour', port: 81 },
      { path: '/name', service: 'neighbour', port: 'no' },
      { path: '/', service: 'neighbour' },
    ];
    sluice.write('ports.yaml', ingressManifest('ports', { rules: { 'ports.test': paths } }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), ['Ingress/ports ServicePortNotFound', 'Ingress/ports ServicePortNotFound']);
    assert.equal(await sluice.whoAnswers('ports.test', '/number'), '500');
    assert.equal(await sluice.whoAnswers('ports.test', '/name'), '500');
    assert.equal(await sluice.whoAnswers('ports.test', '/'), 'neighbour');
    sluice.write('ports.yaml');
  });

  test('endpoints come from all slices, and only those that are ready', async () => {
    writeWeb(READY, READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['first', 'second']);
    writeWeb(READY, NOT_READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['first']);
    writeWeb(NOT_READY, READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['second']);
  });

  test('endpoints that are going away serve while nothing else does', async () => {
    writeWeb(DRAINING, READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['second']);
    writeWeb(DRAINING, NOT_READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['first']);
    writeWeb(DRAINING, DRAINING);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['first', 'second']);
  });

  test('without an endpoint the answer is 503, and neighbours serve', async () => {
    writeWeb(GONE, NOT_READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['503']);
    assert.equal(await sluice.whoAnswers('neighbour.test'), 'neighbour');
    writeWeb();
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['503']);
    writeWeb(READY);
    await sluice.settled();
    assert.deepEqual(await allWhoAnswer('web.test'), ['first']);
  });

  test('ports are told apart by number and name, also of a headless Service', async () => {
    const ports = [
      { name: 'one', port: 80, targetPort: 'http' },
      { name: 'two', port: 81 },
    ];
    const slicePorts = [
      { name: 'two', port: second?.port ?? 0 },
      { name: 'one', port: first?.port ?? 0 },
    ];
    const paths = [
      { path: '/80', service: 'headless', port: 80 },
      { path: '/81', service: 'headless', port: 81 },
      { path: '/one', service: 'headless', port: 'one' },
      { path: '/two', service: 'headless', port: 'two' },
    ];
    sluice.write(
      'headless.yaml',
      serviceManifest('headless', ports, { clusterIP: 'None' }),
      sliceManifest('headless', slicePorts),
      ingressManifest('headless', { rules: { 'headless.test': paths } }),
    );
    await sluice.settled();
    const answers = await Promise.all(paths.map(async ({ path }) => [path, await sluice.whoAnswers('headless.test', path)]));
    assert.deepEqual(answers, [
      ['/80', 'first'],
      ['/81', 'second'],
      ['/one', 'first'],
      ['/two', 'second'],
    ]);
  });

  test('endpoints of IPv6', needs('ipv6'), async () => {
    const backend = await sluice.startBackend({ name: 'six', address: '::1' });
    const endpoints = [{ addresses: ['::1'] }];
    sluice.write(
      'six.yaml',
      serviceManifest('six'),
      sliceManifest('six', backend.port, { addressType: 'IPv6', endpoints }),
      ingressManifest('six', { rules: { 'six.test': 'six' } }),
    );
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('six.test'), 'six');
  });

  test('an external name is looked up; one of this machine or of nobody harms nobody', async () => {
    const { address } = await lookup(hostname());
    const backend = await sluice.startBackend({ name: 'external', address });
    const names = { external: hostname(), nobody: 'nobody.invalid', loopback: 'localhost' };
    sluice.write(
      'external.yaml',
      ...Object.entries(names).flatMap(([name, externalName]) => [
        serviceManifest(name, [{ port: backend.port }], { type: 'ExternalName', externalName }),
        ingressManifest(name, { rules: { [`${name}.test`]: [{ service: name, port: backend.port }] } }),
      ]),
    );
    await sluice.settled();
    await eventually(async () => assert.equal(await sluice.whoAnswers('external.test'), 'external'));
    assert.equal(await sluice.whoAnswers('nobody.test'), '503');
    assert.equal(await sluice.whoAnswers('loopback.test'), '500');
    assert.equal(await sluice.whoAnswers('neighbour.test'), 'neighbour');
    assert.deepEqual(await sluice.findings(), ['Ingress/loopback InvalidExternalName']);
  });

  test('a Service that goes leaves 500 behind, and nothing of it when it returns', async () => {
    sluice.remove('late-service.yaml');
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('late.test'), '500');
    assert.equal(await sluice.whoAnswers('neighbour.test'), 'neighbour');
    sluice.write('late-service.yaml', serviceManifest('late'), sliceManifest('late', second?.port ?? 0));
    await sluice.settled();
    assert.equal(await sluice.whoAnswers('late.test'), 'second');
  });
});
