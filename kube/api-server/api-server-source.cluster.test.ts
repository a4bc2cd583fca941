import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { needs } from '../../testkit/capabilities.ts';
import { type Fault, FaultProxy, type ProxiedRequest } from '../../testkit/fault-proxy.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { ApiServerSource } from './api-server-source.ts';
import { openApiClient } from './open-api-client.ts';
import type { ReflectorEvent } from './reflector.ts';

const SECRETS = '/api/v1/namespaces/default/secrets';
const SERVICES = '/api/v1/namespaces/default/services';
const service = (name: string, port: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port }] },
});
const secret = (name: string, value: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  stringData: { value },
});

describe('a source of a real API server', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start();
  });
  after(() => plane[Symbol.asyncDispose]());

  const open = () => new ApiServerSource(openApiClient({ kubeconfig: plane.kubeconfig }));
  const contentOf = (follower: ObjectFollower, name: string) => {
    const object = follower.get(`Secret/default/${name}`);
    return object?.kind === 'Secret' ? object.data['value']?.reveal() : undefined;
  };

  test('objects come, change and go', async () => {
    await using follower = await ObjectFollower.start(open());
    await plane.request(SERVICES, { method: 'POST', body: service('comes', 80) });
    await follower.until(() => follower.get('Service/default/comes') !== undefined);
    await plane.request(`${SERVICES}/comes`, { method: 'DELETE' });
    await follower.until(() => follower.get('Service/default/comes') === undefined);
  });

  test('of Secrets only those come that are wanted, and as long as they are', async () => {
    await plane.apply([secret('wanted', 'first'), secret('other', 'never')]);
    const source = open();
    await using follower = await ObjectFollower.start(source);
    assert.equal(source.want(['default/wanted', 'default/missing'], []), false);
    await follower.until(() => contentOf(follower, 'wanted') === 'first');
    await plane.apply([secret('wanted', 'second')]);
    await follower.until(() => contentOf(follower, 'wanted') === 'second');
    assert.equal(follower.get('Secret/default/other'), undefined);
    source.want([], ['default/wanted']);
    await follower.until(() => follower.get('Secret/default/wanted') === undefined);
    await plane.request(`${SECRETS}/wanted`, { method: 'DELETE' });
  });

  test('etcd that goes back takes away what was made since, and changes after it are seen', async () => {
    const snapshot = await plane.snapshot();
    await using follower = await ObjectFollower.start(open());
    for (const name of ['since-1', 'since-2', 'since-3']) await plane.request(SERVICES, { method: 'POST', body: service(name, 80) });
    await follower.until(() => follower.get('Service/default/since-3') !== undefined);
    await plane.restore(snapshot);
    await follower.until(() => follower.get('Service/default/since-1') === undefined);
    await plane.request(SERVICES, { method: 'POST', body: service('after', 80) });
    await follower.until(() => follower.get('Service/default/after') !== undefined);
    assert.equal(follower.get('Service/default/since-3'), undefined);
  });

  test('etcd that goes back where nobody sees the API server go is found out too', async () => {
    const snapshot = await plane.snapshot();
    const restored = Promise.withResolvers<void>();
    let isAway = false;
    await using proxy = await FaultProxy.start(plane, () => (isAway ? { kind: 'hold', until: restored.promise } : undefined));
    const client = proxy.client();
    const events: ReflectorEvent[] = [];
    await using follower = await ObjectFollower.start(new ApiServerSource(client, { onEvent: (event) => events.push(event) }));
    for (const index of Array(20).keys()) await plane.request(SERVICES, { method: 'POST', body: service(`hidden-${index}`, 80) });
    await follower.until(() => follower.get('Service/default/hidden-19') !== undefined);
    isAway = true;
    await plane.restore(snapshot);
    restored.resolve();
    await follower.until(() => follower.get('Service/default/hidden-0') === undefined);
    assert.match(events.map(({ error }) => error?.message ?? '').join(), /Too large resource version/);
    await plane.request(SERVICES, { method: 'POST', body: service('after-hidden', 80) });
    await follower.until(() => follower.get('Service/default/after-hidden') !== undefined);
    await client.close();
  });

  test('a kind that it may no longer read keeps what was read, and is told of until it can be read', async () => {
    let isRefused = false;
    const refuse = ({ path }: ProxiedRequest): Fault | undefined =>
      isRefused && path.endsWith('/ingressclasses') ? { kind: 'answer', status: 403 } : undefined;
    await using proxy = await FaultProxy.start(plane, refuse);
    const client = proxy.client({ streamSilenceMs: 500 });
    await plane.apply([
      { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'kept' }, spec: { controller: 'a/b' } },
    ]);
    const source = new ApiServerSource(client);
    await using follower = await ObjectFollower.start(source);
    isRefused = true;
    await follower.until(() => follower.codes.includes('KindUnreadable'));
    assert.equal(source.state().find(({ kind }) => kind === 'IngressClass')?.error?.code, 'forbidden');
    assert.ok(follower.get('IngressClass//kept'));
    isRefused = false;
    await follower.until(() => !follower.codes.includes('KindUnreadable'));
    await client.close();
  });
});
