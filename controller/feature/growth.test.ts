import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ChangeLog } from '../../testkit/load/change-log.ts';
import { http1Client, http2Client } from '../../testkit/load/clients.ts';
import { Load } from '../../testkit/load/load.ts';
import { Target } from '../../testkit/load/target.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

/** Within what is one route configuration, and beyond it. */
const FEW = 200;
const MANY = 400;
const CYCLES = 3;
const MIN_REQUESTS = 3_000;
const REQUESTS_PER_SECOND = 500;
const CLIENTS_OF_A_KIND = 4;

function hostsFrom(first: number, end: number): readonly string[] {
  return Array.from({ length: end - first }, (_, index) => `host-${first + index}.many.test`);
}

describe('a configuration that grows and shrinks', needs('envoy'), () => {
  const sluice = new RunningSluice();
  const front = makeCertificate({ names: ['*.many.test', '*.wild.test'] });

  before(async () => {
    await sluice.addBackends('web', 'wild');
    sluice.write('front.yaml', secretManifest('front', front));
    writeHosts('few', ...hostsFrom(0, FEW));
    sluice.write('wild.yaml', ingressManifest('wild', { rules: { '*.wild.test': 'wild' }, ...tlsFor('*.wild.test') }));
    await sluice.start();
  });
  after(() => sluice.stop());

  function tlsFor(...hosts: readonly string[]) {
    return { tls: { front: hosts }, annotations: { 'force-https': 'disabled' } };
  }

  function writeHosts(name: string, ...hosts: readonly string[]): void {
    const rules = Object.fromEntries(hosts.map((host) => [host, 'web']));
    sluice.write(`${name}.yaml`, ingressManifest(name, { rules, ...tlsFor(...hosts) }));
  }

  function targets(): readonly Target[] {
    const schemes = [
      ['http', sluice.httpPort],
      ['https', sluice.httpsPort],
    ] as const;
    const hosts = [...hostsFrom(0, FEW).filter((_, index) => index % 20 === 0), 'a.wild.test', 'b.wild.test'];
    return schemes.flatMap(([scheme, port]) =>
      hosts.map((host) => new Target({ scheme, port, host, path: '/' }, host.endsWith('.wild.test') ? 'wild' : 'web')),
    );
  }

  async function areDivided(): Promise<boolean> {
    return (await sluice.listener('http')).includes('scopedRoutes');
  }

  test('answers every request, whether its route tables are whole, divided or on their way', async (context) => {
    const changes = new ChangeLog();
    const ca = [front.certificate];
    const clients = Array.from({ length: CLIENTS_OF_A_KIND }, () => [
      http1Client('HTTP/1.1', ca, { keepAlive: true }),
      http1Client('HTTP/1.1, new connections', ca, { keepAlive: false }),
      http2Client('HTTP/2', ca),
    ]).flat();
    const load = new Load({ clients, requestsPerSecond: REQUESTS_PER_SECOND, changes });
    load.add(...targets());
    load.start();
    context.after(() => load.stop());
    for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
      writeHosts('more', ...hostsFrom(FEW, MANY));
      await sluice.settled();
      assert.equal(await areDivided(), true);
      assert.equal(await sluice.whoAnswers(`host-${MANY - 1}.many.test`), 'web');
      sluice.remove('more.yaml');
      await sluice.settled();
      assert.equal(await areDivided(), false);
      assert.equal(await sluice.whoAnswers(`host-${MANY - 1}.many.test`), '404');
      await eventually(() => assert.ok(load.sent >= (cycle * MIN_REQUESTS) / CYCLES));
    }
    await load.stop();
    context.diagnostic(`${load.sent} requests, ${load.failed} failed`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
    assert.ok(load.sent >= MIN_REQUESTS);
  });
});
