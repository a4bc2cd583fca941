import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IngressClient } from '../../bpf/datapath/index.ts';
import type { PodEndpoint } from '../../model/index.ts';
import type { TcpSocket } from '../netlink/index.ts';
import { NodeIngress } from './node-ingress.ts';

const INGRESS = 8;
const WITH_PREFIX = 300;
const OWN_NODE = '10.0.0.1';
const LABELS = new Map([
  [INGRESS, ['reserved:ingress']],
  [WITH_PREFIX, ['cidr:10.0.0.0/8', 'reserved:ingress']],
  [400, ['k8s:app=web']],
]);

function pod(name: string, identity: number, ...addresses: string[]): PodEndpoint {
  return { pod: { kind: 'Pod', namespace: 'sluice-system', name }, uid: `uid-${name}`, node: 'n1', addresses, identity };
}

/** A node, and what its kernel was told. */
class Scene {
  readonly told: (IngressClient | string)[] = [];
  readonly failures: string[] = [];
  /** Connections of the node, by their addresses, with their marks. */
  readonly open = new Map<string, number>();
  /** The other side of all of them. */
  peer = '10.0.0.2';
  /** By the port of a backend, which it may be reached by way of; undefined: no policy says anything. */
  slots: ReadonlyMap<number, number> | undefined;
  cgroup: string | undefined = '/cgroup';
  readonly ingress = new NodeIngress({
    sockets: {
      setClient: (client) => this.told.push(client),
      attach: (cgroup) => this.told.push(cgroup),
      isPoliced: () => this.slots !== undefined,
      judge: (backends) => backends.map(({ port }) => (this.slots ? this.slots.get(port) : 0)),
      judgeClients: (clients) =>
        clients.map(({ address, port }) => (address === OWN_NODE ? 'own-node' : this.slots ? this.slots.get(port) : 0)),
    },
    steering: { ensure: () => this.told.push('steering') },
    findCgroup: () => {
      if (this.cgroup === undefined) throw new Error('no cgroup');
      return this.cgroup;
    },
    connections: {
      list: ({ mark: wanted, mask }) =>
        [...this.open]
          .filter(([, mark]) => (mark & mask) === wanted)
          .map(
            ([source, mark]): TcpSocket => ({
              family: 'ipv4',
              source,
              destination: this.peer,
              destinationPort: 80,
              sourcePort: 443,
              mark,
              id: new Uint8Array(),
            }),
          ),
      destroy: ({ source }) => this.open.delete(source),
    },
    onFailure: ({ message }) => this.failures.push(message),
  });

  set(...pods: readonly PodEndpoint[]): readonly string[] {
    return this.setWith(true, ...pods);
  }

  setWith(needsAddress: boolean, ...pods: readonly PodEndpoint[]): readonly string[] {
    this.ingress.set(pods, (identity) => LABELS.get(identity), needsAddress);
    return this.ingress.state().addresses;
  }
}

describe("the address of a node's Ingresses", () => {
  test('is that of the pod that is ingress, after what steers answers is there', () => {
    const scene = new Scene();
    assert.deepEqual(scene.set(pod('web', 400, '10.0.0.2')), []);
    assert.deepEqual(scene.told, [{ addresses: [], needsAddress: true }, '/cgroup']);
    assert.deepEqual(scene.set(pod('web', 400, '10.0.0.2'), pod('a', WITH_PREFIX, '10.0.0.9', 'fd00::9', '10.0.0.10')), [
      '10.0.0.9',
      'fd00::9',
    ]);
    const client = { addresses: ['10.0.0.9', 'fd00::9'], needsAddress: true, identity: WITH_PREFIX };
    assert.deepEqual(scene.told.slice(2), ['steering', client, '/cgroup']);
    scene.set(pod('a', WITH_PREFIX, '10.0.0.9', 'fd00::9', '10.0.0.10'));
    assert.equal(scene.told.length, 5, 'nothing is told twice');
    assert.deepEqual(scene.ingress.state().pod?.name, 'a');
  });

  test('is that of the pod that came last, and of the other once that is gone', () => {
    const scene = new Scene();
    const [a, b] = [pod('a', INGRESS, '10.0.0.8'), pod('b', INGRESS, '10.0.0.9')];
    assert.deepEqual(scene.set(b), ['10.0.0.9']);
    assert.deepEqual(scene.set(a, b), ['10.0.0.8']);
    assert.deepEqual(scene.set(b, a), ['10.0.0.8']);
    assert.deepEqual(scene.set(b), ['10.0.0.9']);
    assert.deepEqual(scene.set(), []);
    assert.deepEqual(scene.told.at(-2), { addresses: [], needsAddress: true });
  });

  test('is tried again where the kernel did not take it, of which is told once', () => {
    const scene = new Scene();
    scene.cgroup = undefined;
    scene.set(pod('a', INGRESS, '10.0.0.8'));
    scene.ingress.reconcile();
    assert.deepEqual(scene.failures, ['no cgroup']);
    assert.equal(scene.ingress.state().failure, 'no cgroup');
    scene.cgroup = '/cgroup';
    scene.ingress.reconcile();
    assert.deepEqual([scene.told.at(-1), scene.ingress.state().failure], ['/cgroup', undefined]);
  });

  test('ends connections that have one which is gone, or none where they need one, and no others', () => {
    const scene = new Scene();
    const [a, b] = [pod('a', INGRESS, '10.0.0.8'), pod('b', INGRESS, '10.0.0.9')];
    const open = () => [...scene.open.keys()];
    const node = '192.0.2.1';
    scene.open.set(node, 0xd00).set('10.0.0.8', 0xd00).set('10.0.0.9', 0xd00);
    scene.open.set('10.0.0.2', 0xc00).set('10.0.0.3', 0).set('10.0.0.4', 0x2711_0d02).set('10.0.0.5', 0x2711_0d03);
    scene.setWith(false, a);
    scene.setWith(false, a, b);
    assert.equal(open().length, 7);
    scene.setWith(false, b);
    const others = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'];
    assert.deepEqual(open(), [node, '10.0.0.9', ...others]);
    scene.setWith(true, b);
    assert.deepEqual(open(), ['10.0.0.9', ...others]);
    scene.setWith(true);
    assert.deepEqual(open(), others);
  });

  test('ends connections that would be opened in another way by now', () => {
    const scene = new Scene();
    const { open } = scene;
    scene.set(pod('a', INGRESS, '10.0.0.8'));
    const review = (mark: number) => {
      open.set('10.0.0.8', mark);
      scene.ingress.review();
      return open.size === 1;
    };
    assert.equal(review(0xd00), true, 'no policy says anything');
    scene.slots = new Map([[80, 10_001]]);
    assert.equal(review(0xd00), false, 'a slot begins');
    assert.equal(review(0x2711_0d01), true);
    scene.slots = new Map([[80, 10_002]]);
    assert.equal(review(0x2711_0d01), false, 'another slot begins');
    scene.slots = new Map([[80, 0]]);
    assert.equal(review(0x2712_0d01), false, 'it ends');
    assert.equal(review(0xd00), true);
    scene.slots = new Map();
    assert.equal(review(0xd00), false, 'it may not be reached');
    open.set('10.0.0.8', 0x2711_0d01);
    scene.slots = undefined;
    scene.ingress.review();
    assert.equal(open.size, 0, 'the policy is gone');
  });

  test('ends connections of clients that would have another listener by now', () => {
    const scene = new Scene();
    const { open } = scene;
    scene.set(pod('a', INGRESS, '10.0.0.8'));
    const isKept = (mark: number) => {
      open.set('10.0.0.1', mark);
      scene.ingress.reviewAccepted();
      return open.size === 1;
    };
    assert.equal(isKept(0xe00), true, 'no policy says anything');
    scene.slots = new Map([[443, 10_001]]);
    scene.ingress.review();
    assert.equal(open.size, 1, 'it is no connection that Envoy opened');
    assert.equal(isKept(0xe00), false, 'a slot begins');
    assert.equal(isKept(0x2711_0e00), true);
    scene.slots = new Map([[443, 0]]);
    assert.equal(isKept(0x2711_0e00), false, 'it ends');
    scene.slots = new Map();
    assert.equal(isKept(0xe00), false, 'he may not come any more');
    scene.peer = OWN_NODE;
    assert.equal(isKept(0xe00), true, 'the own node is judged by its packets');
  });

  test('is nothing before anything is told', () => {
    const scene = new Scene();
    scene.ingress.reconcile();
    assert.deepEqual(scene.told, []);
    assert.deepEqual(scene.ingress.state(), { addresses: [], needsAddress: false });
  });
});
