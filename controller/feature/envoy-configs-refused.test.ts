import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { extension, type HttpConfig, httpConfigManifest, type Json, resource } from '../../testkit/envoy-config-manifests.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, type ManifestObject, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { freePort } from '../../testkit/ports.ts';

const ROUTES = [{ match: { prefix: '/' }, route: { cluster: 'b' } }];
const TO_A = [{ match: { prefix: '/' }, route: { cluster: 'a' } }];
const STDOUT = 'access_loggers.stream.v3.StdoutAccessLog';
const LOG = extension(STDOUT, { logFormat: { textFormatSource: { inlineString: '%NOTHING_THAT_ENVOY_KNOWS%' } } });

interface Refused {
  readonly says: RegExp;
  /** The resource that it is about, as the object has them. */
  readonly at: string;
  readonly config: Partial<HttpConfig>;
}

/** What is right as far as Sluice can tell. */
const REFUSED: Readonly<Record<string, Refused>> = {
  'a route by an expression that is none': {
    says: /missing \)/,
    at: 'spec.resources.1',
    config: { routes: [{ match: { safeRegex: { regex: '(' } }, route: { cluster: 'b' } }, ...ROUTES] },
  },
  'a header with an unknown command': {
    says: /NOTHING_THAT_ENVOY_KNOWS/,
    at: 'spec.resources.1',
    config: { routes: [{ ...ROUTES[0], requestHeadersToAdd: [{ header: { key: 'x', value: '%NOTHING_THAT_ENVOY_KNOWS%' } }] }] },
  },
  'a log with an unknown command': {
    says: /NOTHING_THAT_ENVOY_KNOWS/,
    at: 'spec.resources.0',
    config: { routes: ROUTES, http: { accessLog: [LOG] } },
  },
  'a cluster whose balancing policy is not there': {
    says: /load_balancing_policy/,
    at: 'spec.resources.2',
    config: { routes: TO_A, clusters: { a: { lbPolicy: 'LOAD_BALANCING_POLICY_CONFIG' } } },
  },
  'a new cluster that routes lead to already': {
    says: /load_balancing_policy/,
    at: 'spec.resources.2',
    config: { clusters: { b: { lbPolicy: 'LOAD_BALANCING_POLICY_CONFIG' } } },
  },
};

/** Asks again and again who answers at a port. */
class Asking implements AsyncDisposable {
  readonly #others: string[] = [];
  readonly #asked: Promise<void>;
  #isOver = false;

  constructor(port: number) {
    this.#asked = this.#ask(port);
  }

  /** What answered beside backends. */
  async stop(): Promise<readonly string[]> {
    this.#isOver = true;
    await this.#asked;
    return this.#others;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #ask(port: number): Promise<void> {
    while (!this.#isOver) {
      const who = await whoAnswersAt(port).catch(String);
      if (who !== 'a' && who !== 'b') this.#others.push(who);
    }
  }
}

function checkOf(timeout: string): Json {
  const [interval, unhealthyThreshold, healthyThreshold] = ['60s', 1, 1];
  return { timeout, interval, unhealthyThreshold, healthyThreshold, httpHealthCheck: { path: '/' } };
}

/** @param type without `envoy.extensions.clusters.` */
function clusterOf(type: string, fields: Json): Json {
  const clusterType = {
    name: `envoy.clusters.${type.slice(0, type.indexOf('.'))}`,
    typedConfig: resource(`envoy.extensions.clusters.${type}`, fields),
  };
  return resource('envoy.config.cluster.v3.Cluster', { name: 'own', lbPolicy: 'CLUSTER_PROVIDED', clusterType });
}

describe('CiliumEnvoyConfigs that Envoy refuses', { ...needs('envoy'), timeout: 120_000 }, () => {
  // As where no Envoy is at hand to try them before.
  const sluice = new ConfiguredSluice({ envoyConfig: { dryRun: false } });
  let port = 0;
  /** What Envoy has of one config it keeps for a moment when that is gone, so each test has its own. */
  let name = '';
  let tests = 0;

  before(async () => {
    await sluice.addBackends('a', 'b');
    await sluice.start();
  });
  beforeEach(async () => {
    port = await freePort();
    tests += 1;
    name = `web-${tests}`;
  });
  after(() => sluice.stop());

  function leadingTo(service: string, config: Partial<HttpConfig> = {}): ManifestObject {
    const routes = [{ match: { prefix: '/' }, route: { cluster: service } }];
    return httpConfigManifest(name, { port, routes, clusters: { [service]: {} }, ...config });
  }

  async function write(...objects: readonly ManifestObject[]): Promise<void> {
    sluice.write('web.yaml', ...objects);
    await sluice.settled();
  }

  async function neighboursAre(service: string): Promise<void> {
    sluice.write('ingress.yaml', ingressManifest('neighbour', { rules: { 'neighbour.test': service } }));
    const routes = [{ match: { prefix: '/' }, route: { cluster: service } }];
    const neighbour = await sluice.serve('neighbour', (own) =>
      httpConfigManifest('neighbour', { port: own, routes, clusters: { [service]: {} } }),
    );
    assert.equal(await sluice.whoAnswers('neighbour.test'), service);
    assert.equal(await whoAnswersAt(neighbour), service);
  }

  async function told(...expected: readonly string[]): Promise<void> {
    await eventually(async () => assert.deepEqual(await sluice.findings(), expected));
  }

  for (const [what, { says, at, config }] of Object.entries(REFUSED)) {
    test(`${what} is told in Envoy's words, and what was before serves on`, async () => {
      await write(leadingTo('a'));
      assert.equal(await whoAnswersAt(port), 'a');
      await using asking = new Asking(port);
      await write(leadingTo('b', config));
      await told(`CiliumEnvoyConfig/${name} LastGoodEnvoyConfig`, `CiliumEnvoyConfig/${name} RejectedByEnvoy`);
      const diagnostic = (await sluice.diagnostics()).find(({ code }) => code === 'RejectedByEnvoy');
      assert.match(diagnostic?.message ?? '', says);
      assert.equal(diagnostic?.path.join('.'), at);
      const { accepted, programmed } = (await sluice.status()).configs?.find((each) => each.name === name) ?? {};
      const kept = '1 of 1 node have what it said when it was right';
      assert.deepEqual([accepted?.reason, programmed?.reason, programmed?.message], ['RejectedByEnvoy', 'Programmed', kept]);
      await neighboursAre('b');
      assert.equal(await whoAnswersAt(port), 'a');
      assert.deepEqual(await asking.stop(), []);
      await neighboursAre('a');
      await write(leadingTo('b'));
      await told();
      assert.equal(await whoAnswersAt(port), 'b');
      await write();
    });

    test(`${what} in a new config is told, and its neighbours are served`, async () => {
      await write(leadingTo('b', config));
      await told(`CiliumEnvoyConfig/${name} RejectedByEnvoy`);
      await neighboursAre('b');
      await write();
      await told();
    });
  }

  test('a port that another config has', async () => {
    await write(leadingTo('a'));
    sluice.write('second.yaml', { ...leadingTo('b'), metadata: { name: 'second' } });
    await told('CiliumEnvoyConfig/second RejectedByEnvoy');
    assert.equal(await whoAnswersAt(port), 'a');
    await neighboursAre('a');
    sluice.remove('second.yaml');
    await write();
    await told();
  });

  /** A config that Envoy has never seen, as it takes them one after another. */
  async function freshIsServed(): Promise<void> {
    const fresh = await sluice.serve('fresh', (own) =>
      httpConfigManifest(`fresh-${own}`, { port: own, routes: TO_A, clusters: { a: {} } }),
    );
    assert.equal(await whoAnswersAt(fresh), 'a');
  }

  // An Envoy that gets one of these takes no other cluster any more, or ends: so they do not get as far.
  for (const [what, config] of Object.entries({
    'a ring whose most is less than its least': {
      clusters: { b: { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: 1024, maximumRingSize: 16 } } },
    },
    'a table of no prime size': { clusters: { b: { lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: 1024 } } } },
    'a first check of health that may take a minute': { clusters: { b: { healthChecks: [checkOf('60s')] } } },
    'a cluster that is composed of itself': { more: [clusterOf('composite.v3.ClusterConfig', { clusters: [{ name: 'own' }] })] },
  })) {
    test(`${what} is refused before`, async () => {
      await write(leadingTo('b', config));
      await told(`CiliumEnvoyConfig/${name} InvalidEnvoyConfig`);
      await freshIsServed();
      await write();
    });
  }

  test('a server that never answers checks of health keeps nobody waiting for long', async () => {
    const accepted = new Set<Socket>();
    const at = await freePort();
    const silent = createServer((socket) => accepted.add(socket)).listen(at, '127.0.0.1');
    await once(silent, 'listening');
    sluice.write('silent.yaml', serviceManifest('silent'), sliceManifest('silent', at));
    const clusters = { b: {}, silent: { healthChecks: [{ ...checkOf('4s'), initialJitter: '1s' }] } };
    sluice.write('web.yaml', leadingTo('b', { clusters }));
    await eventually(() => assert.ok(accepted.size > 0));
    await freshIsServed();
    assert.deepEqual(await sluice.findings(), []);
    await write();
    sluice.remove('silent.yaml');
    for (const socket of accepted) socket.destroy();
    silent.close();
  });

  test('a cluster of Redis that is never found keeps nobody waiting', async () => {
    const address = { socketAddress: { address: '192.0.2.1', portValue: 6379 } };
    const loadAssignment = { clusterName: 'own', endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] };
    await write(leadingTo('b', { more: [{ ...clusterOf('redis.v3.RedisClusterConfig', {}), loadAssignment }] }));
    await freshIsServed();
    assert.deepEqual(await sluice.findings(), []);
    await write();
  });
});
