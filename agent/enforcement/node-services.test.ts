import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { areServicesAttached, cleanUpServices, findRootCgroup, listServiceAddresses, ServiceDatapath } from '../../bpf/datapath/index.ts';
import { PINS, ServiceWorld } from '../../bpf/datapath/services/testing/service-world.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { needs } from '../../testkit/capabilities.ts';
import { endpointSliceObject, serviceObject } from '../../testkit/kube-objects.ts';
import { NodeServices } from './node-services.ts';

enterOwnNamespaces();

const HERE = { name: 'node-1', networks: [] };
const SLICE = { metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } } };
const WEB = serviceObject({ clusterIPs: ['10.96.0.10'], ports: [{ port: 80 }] });

/** Its endpoints are addresses of {@link ServiceWorld}. */
function slice(...addresses: readonly string[]) {
  const endpoints = addresses.map((address) => ({ addresses: [address], nodeName: 'node-1' }));
  return endpointSliceObject({ ports: [{ port: 8080 }], endpoints }, SLICE.metadata);
}

class Scene implements AsyncDisposable {
  readonly world: ServiceWorld;
  readonly failures: string[] = [];
  services: NodeServices;
  /** Undefined: it cannot be seen. */
  cgroup: string | undefined;

  private constructor(world: ServiceWorld) {
    this.world = world;
    this.cgroup = world.cgroup.folder;
    this.services = this.make();
  }

  /** With nothing attached and nothing in the maps. */
  static async start(): Promise<Scene> {
    const world = await ServiceWorld.start();
    cleanUpServices(PINS);
    return new Scene(world);
  }

  make(): NodeServices {
    this.services = new NodeServices({
      pinFolder: PINS,
      open: () => ServiceDatapath.open({ pinFolder: PINS }),
      // A mount table without a cgroup tree.
      findCgroup: () => this.cgroup ?? findRootCgroup(''),
      onFailure: ({ message }) => this.failures.push(message),
    });
    return this.services;
  }

  async tell(...addresses: readonly string[]): Promise<void> {
    await this.services.take({ services: [WEB], slices: [slice(...addresses)] });
    await this.services.setClients(HERE);
    await this.services.reconcile();
  }

  async ask(): Promise<string | undefined> {
    const { error, backend } = await this.world.client.tcp('10.96.0.10', 80);
    return error ?? backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.services[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}

describe('Services on a node', needs('root', 'bpf'), () => {
  test('nothing is in the kernel before everything was told, then all of it, then what changes', async () => {
    await using scene = await Scene.start();
    const { services } = scene;
    await services.take({ services: [WEB], slices: [slice('10.1.0.1')] });
    await services.setClients(HERE);
    assert.equal(areServicesAttached(PINS), false);
    assert.equal(await scene.ask(), 'ENETUNREACH');
    await services.reconcile();
    assert.equal(await scene.ask(), '10.1.0.1 8080');
    await services.take({ slices: [slice('10.1.0.2')] });
    assert.equal(await scene.ask(), '10.1.0.2 8080');
    await services.take({ removedSlices: ['default/web-1'] });
    assert.equal(await scene.ask(), 'ECONNREFUSED');
    await services.take({ removedServices: ['default/web'] });
    assert.equal(await scene.ask(), 'ENETUNREACH');
    assert.deepEqual(scene.failures, []);
  });

  test('a port of a Service is reached at its own addresses, and at those of the node that nobody else has, while Services are translated', async () => {
    await using scene = await Scene.start();
    const { services } = scene;
    const object = (spec: object = {}) =>
      serviceObject({
        type: 'NodePort',
        clusterIPs: ['10.96.0.10', 'fd00:96::10'],
        externalIPs: ['192.0.2.1'],
        internalTrafficPolicy: 'Local',
        ports: [{ port: 80, nodePort: 30_080 }],
        ...spec,
      });
    const other = serviceObject(
      { clusterIPs: ['10.96.0.11'], externalIPs: ['10.0.0.2'], ports: [{ port: 30_080 }, { port: 80 }] },
      { name: 'other' },
    );
    const reached = () =>
      services.frontendsOf('default/web:80/TCP').map(({ address, port, fromOutside }) => `${address} ${port} ${fromOutside}`);
    await services.take({ services: [object(), other] });
    assert.deepEqual(reached(), []);
    await services.setClients(HERE);
    const own = (isOutside: boolean) => ['10.96.0.10 80 true', `192.0.2.1 80 ${isOutside}`, 'fd00:96::10 80 true'];
    assert.deepEqual(new Set(reached()), new Set(own(true)));
    await services.setAddresses(['10.0.0.1', '10.0.0.2', 'fd00::1']);
    const atNode = (isOutside: boolean) => ['10.0.0.1', 'fd00::1'].map((address) => `${address} 30080 ${isOutside}`);
    assert.deepEqual(new Set(reached()), new Set([...own(true), ...atNode(true)]));
    await services.take({ services: [object({ externalTrafficPolicy: 'Local' })] });
    assert.deepEqual(new Set(reached()), new Set([...own(false), ...atNode(false)]));
    assert.deepEqual(services.frontendsOf('default/web:81/TCP'), []);
  });

  test('what was left is translated until the next process knows everything', async () => {
    await using scene = await Scene.start();
    await scene.tell('10.1.0.1');
    await scene.services[Symbol.asyncDispose]();
    for (const address of ['10.1.0.2', '10.1.0.3']) {
      const before = await scene.ask();
      scene.make();
      await scene.services.setClients(HERE);
      await scene.services.take({ services: [WEB] });
      assert.equal(await scene.ask(), before);
      await scene.services.take({ slices: [slice(address)] });
      await scene.services.reconcile();
      assert.equal(await scene.ask(), `${address} 8080`);
      await scene.services[Symbol.asyncDispose]();
    }
    assert.deepEqual(scene.failures, []);
  });

  test('switched off, nothing of it is in force any more, by this process or the one after it', async () => {
    await using scene = await Scene.start();
    for (const next of ['this', 'another'] as const) {
      await scene.tell('10.1.0.1');
      assert.equal(await scene.ask(), '10.1.0.1 8080');
      assert.notDeepEqual(listServiceAddresses(PINS), []);
      if (next === 'another') {
        await scene.services[Symbol.asyncDispose]();
        scene.make();
        await scene.services.reconcile();
      } else await scene.services.setClients(undefined);
      assert.equal(areServicesAttached(PINS), false, next);
      assert.deepEqual(listServiceAddresses(PINS), [], next);
      assert.equal(scene.services.state(), undefined, next);
      assert.equal(await scene.ask(), 'ENETUNREACH', next);
    }
    assert.deepEqual(scene.failures, []);
  });

  test('where the cgroup tree cannot be seen Services are left to others, which is told once, and tried again', async () => {
    await using scene = await Scene.start();
    const { cgroup } = scene;
    scene.cgroup = undefined;
    await scene.tell('10.1.0.1');
    await scene.services.setAddresses(['10.1.0.2']);
    await scene.services.reconcile();
    assert.equal(scene.failures.length, 1);
    assert.match(scene.failures[0] ?? '', /cgroup tree of version 2/);
    assert.deepEqual(scene.services.state(), { translations: 1, isInForce: false, failure: scene.failures[0] });
    // Else packets to Services would be dropped that others translate.
    assert.equal(existsSync(join(PINS, 'service_addresses')), false);
    scene.cgroup = cgroup;
    await scene.services.reconcile();
    assert.equal(await scene.ask(), '10.1.0.1 8080');
    assert.deepEqual(scene.services.state(), { translations: 1, isInForce: true });
  });

  test('what somebody takes away is put back, and told of', async () => {
    await using scene = await Scene.start();
    await scene.tell('10.1.0.1');
    using other = await ServiceDatapath.open({ pinFolder: PINS });
    await other.reconcile([]);
    other.detach();
    await scene.services.reconcile();
    assert.equal(await scene.ask(), '10.1.0.1 8080');
    assert.equal(scene.failures.length, 1);
    assert.match(scene.failures[0] ?? '', /entries of Services in the kernel were not as they had been written; they are again/);
    await scene.services.reconcile();
    assert.equal(scene.failures.length, 1);
  });
});
