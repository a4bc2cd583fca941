import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NodeIdentity } from '../../agent/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import type { ClusterProcess } from '../../testkit/plain-cluster.ts';
import { DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsConnection } from '../../testkit/xds/xds-connection.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, SECRET_TYPE } from '../../xds-server/serve/index.ts';

enterOwnNetwork();

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const SETTINGS = { ingress: { nodes: { matchLabels: { edge: 'yes' } } } };
const OTHER_ADDRESS = '192.0.2.2';
const WITHIN = { withinMs: 30_000 };

/** All that a stream was told, each response accepted at once. */
class Told {
  readonly words: string[] = [];
  /** The types of what was removed, in that order, each once. */
  readonly removedTypes = new Set<string>();

  constructor(peer: DeltaPeer) {
    void this.#follow(peer);
  }

  async #follow(peer: DeltaPeer): Promise<void> {
    for (;;) {
      const response = await peer.nextAcked();
      this.words.push(...wordsOf(response));
      if (response.removedResources.length > 0) this.removedTypes.add(response.typeUrl);
    }
  }

  /** What was told of a name last, without the version. */
  lastOf(name: string): string | undefined {
    return this.words.findLast((word) => word.slice(1).split('@')[0] === name)?.split('@')[0];
  }
}

describe('a node that the selector leaves out', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: ClusterWorld;
  let agent: ClusterProcess;
  let port = 0;
  let told: Told;
  before(async () => {
    world = cleanUp.use(await ClusterWorld.start({ controllers: 1, settings: [SETTINGS] }));
    await world.addBackend('one');
    await label('node-1', 'yes');
    await world.cluster.setNodes({ 'node-1': OWN_ADDRESS, 'node-2': OTHER_ADDRESS });
    const certificate = makeCertificate({ names: ['web.test'] });
    await world.apply(secretManifest('web-tls', certificate));
    await world.apply(ingressManifest('web', { rules: { 'web.test': 'one' }, tls: { 'web-tls': ['web.test'] } }));
    port = await world.portOf('web');
    await eventually(async () => assert.equal((await world.ask('web', port)).status, 308), WITHIN);
    agent = await world.cluster.startAgent('node-2', world.forwarder.port);
  });
  after(() => cleanUp.disposeAsync());

  const label = (node: string, edge: string | null) =>
    world.cluster.plane.kubectl('label', '--overwrite', 'node', node, edge === null ? 'edge-' : `edge=${edge}`);
  const nodesOfSlice = async () => {
    const slice = await world.get('/apis/discovery.k8s.io/v1', 'endpointslices/cilium-ingress-web');
    const endpoints = (slice?.['endpoints'] ?? []) as readonly { readonly nodeName: string }[];
    return endpoints.map(({ nodeName }) => nodeName).sort();
  };
  const controllerStatus = async () => {
    const [controller] = world.controllers;
    assert.ok(controller);
    return await controller.status();
  };
  /** Asks as the node itself could, with its key and certificate. */
  const connect = async (callsItself: string) => {
    const state = world.cluster.stateFolder('node-2');
    const identity = cleanUp.use(
      NodeIdentity.open({
        folder: join(state, 'identity'),
        bundlePath: join(state, '..', 'ca.crt'),
        requestCertificate: () => Promise.reject(new Error('it has one')),
        onError: (error) => assert.fail(String(error)),
      }),
    );
    await identity.ready();
    const connection = cleanUp.use(new XdsConnection(`localhost:${world.forwarder.port}`, {}, identity.credentials));
    const peer = new DeltaPeer(connection.open(ADS));
    peer.say({ node: { id: callsItself }, typeUrl: LISTENER_TYPE });
    peer.say({ typeUrl: CLUSTER_TYPE });
    peer.say({ typeUrl: SECRET_TYPE, resourceNamesSubscribe: ['default/web-tls', 'default/none'] });
    return new Told(peer);
  };

  test('is ready with nothing, and nothing is sent to it', async () => {
    await agent.untilReady();
    const { resources, envoy } = await agent.status();
    assert.deepEqual([resources, envoy?.version !== undefined], [{}, true]);
    const status = await controllerStatus();
    assert.deepEqual([status.ready, status.cluster?.idleNodes], [true, ['node-2']]);
    await eventually(async () => assert.deepEqual(await nodesOfSlice(), ['node-1']), WITHIN);
    await eventually(async () => {
      const { clients } = await controllerStatus();
      assert.deepEqual(clients.map(({ node, synced }) => [node, synced]).sort(), [
        ['node-1', true],
        ['node-2', true],
      ]);
    }, WITHIN);
  });

  test('cannot get a certificate by asking for it by name, whatever it calls itself', async () => {
    for (const name of ['node-2', 'node-1']) {
      const asked = await connect(name);
      await eventually(() => assert.deepEqual(asked.words, ['-default/none', '-default/web-tls']), WITHIN);
      told = asked;
    }
    assert.doesNotMatch(await agent.snapshot(), /web-tls|web\.test/);
  });

  test('has all of it, before requests, once its label says so', async () => {
    const before = told.words.length;
    await label('node-2', 'yes');
    await eventually(() => assert.equal(told.lastOf('default/web-tls'), '+default/web-tls'), WITHIN);
    await eventually(async () => assert.match(await agent.snapshot(), /web-tls/), WITHIN);
    await eventually(async () => assert.deepEqual(await nodesOfSlice(), ['node-1', 'node-2']), WITHIN);
    assert.ok(told.words.length > before + 3, told.words.join());
    assert.equal((await controllerStatus()).cluster?.idleNodes, undefined);
  });

  test('loses all of it on the stream that it has, after requests, once its label does not', async () => {
    told.removedTypes.clear();
    await label('node-2', null);
    await eventually(async () => assert.deepEqual(await nodesOfSlice(), ['node-1']), WITHIN);
    assert.equal(told.lastOf('default/web-tls'), '+default/web-tls');
    await eventually(() => assert.equal(told.lastOf('default/web-tls'), '-default/web-tls'), WITHIN);
    assert.deepEqual([...told.removedTypes].slice(0, 1), [LISTENER_TYPE]);
    await eventually(() => assert.ok(told.removedTypes.has(CLUSTER_TYPE)), WITHIN);
    const has = told.words.map((word) => word.slice(1).split('@')[0] ?? '').filter((name) => told.lastOf(name) === `+${name}`);
    assert.deepEqual(has, []);
    await eventually(async () => assert.deepEqual((await agent.status()).resources, {}), WITHIN);
    await agent.untilReady();
    assert.equal((await world.ask('web', port)).status, 308);
  });
});
