import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Identity, PodEndpoint, SubjectPolicy } from '../../model/index.ts';
import type { DevicesState } from '../pods/index.ts';
import { KeptConnections } from './kept-connections.ts';

type Pod = DevicesState['pods'][number];

function pod(ifindex: number, identity: Identity, mac: string | undefined = '02:00:00:00:00:01'): Pod {
  const ref = { kind: 'Pod', namespace: 'shop', name: `pod-${ifindex}` } as const;
  const endpoint: PodEndpoint = { pod: ref, uid: ref.name, node: 'n1', addresses: [], identity };
  return { ifindex, name: `veth${ifindex}`, namespace: 100 + ifindex, mac, addresses: [], endpoint };
}

function policy(subject: Identity): SubjectPolicy {
  const nothing = { defaultDeny: false, verdicts: [] };
  return { subject, ingress: nothing, egress: nothing };
}

/** A node, and which pods' doors were asked. */
class Scene {
  readonly policies = new Map([300, 400].map((subject) => [subject, policy(subject)]));
  readonly asked: (readonly number[])[] = [];
  readonly failures: string[] = [];
  isOf: (peer: Identity) => boolean = () => assert.fail('nothing was asked');
  failure: string | undefined;
  readonly kept = new KeptConnections({
    datapath: {
      askDoors: async (pods, isOf) => {
        if (this.failure !== undefined) throw new Error(this.failure);
        assert.ok(pods.every(({ ifindex, namespace }) => namespace === 100 + ifindex));
        this.isOf = isOf;
        return this.asked.push(pods.map(({ ifindex }) => ifindex));
      },
    },
    policyOf: (identity) => this.policies.get(identity),
    labelsOf: (identity) => new Map([[500, ['cidr:10.0.0.0/8', 'reserved:ingress']]]).get(identity),
    onFailure: ({ message }) => this.failures.push(message),
  });
}

describe('connections that are kept for Ingresses', () => {
  test('are seen to at pods of whom something else decides', async () => {
    const scene = new Scene();
    const pods = [pod(5, 300), pod(6, 300), pod(7, 400)];
    await scene.kept.see(pods);
    await scene.kept.see(pods);
    assert.deepEqual(scene.asked, [[5, 6, 7]]);
    scene.policies.set(300, policy(300));
    await scene.kept.see(pods);
    await scene.kept.see([pod(5, 400), pod(6, 300), pod(7, 400)]);
    assert.deepEqual(scene.asked.slice(1), [[5, 6], [5]]);
  });

  test('are seen to at all pods where slots lead elsewhere', async () => {
    const scene = new Scene();
    await scene.kept.see([pod(5, 300), pod(7, 400)]);
    scene.kept.forget();
    await scene.kept.see([pod(5, 300), pod(7, 400)]);
    assert.deepEqual(scene.asked, [
      [5, 7],
      [5, 7],
    ]);
  });

  test('are those of all whose labels say that they are Ingresses', async () => {
    const scene = new Scene();
    await scene.kept.see([pod(5, 300)]);
    assert.deepEqual([8, 500, 300, 1].map(scene.isOf), [true, true, false, false]);
  });

  test('wait where nobody has told what holds for the pod', async () => {
    const scene = new Scene();
    await scene.kept.see([pod(5, 600)]);
    scene.policies.set(600, policy(600));
    await scene.kept.see([pod(5, 600)]);
    assert.deepEqual(scene.asked, [[5]]);
  });

  test('that cannot be seen to are told of once', async () => {
    const scene = new Scene();
    scene.failure = 'no';
    await scene.kept.see([pod(5, 300)]);
    scene.kept.forget();
    await scene.kept.see([pod(5, 300)]);
    assert.deepEqual(scene.failures, ['no']);
  });
});
