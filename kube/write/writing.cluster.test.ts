import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { ApiRequest } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import type { ApiServerClient } from '../api-server/api-server-client.ts';
import { openApiClient } from '../api-server/open-api-client.ts';
import type { Action } from './action.ts';
import { ActionWriter, type WriteEvent } from './action-writer.ts';
import { EventRecorder } from './event-recorder.ts';

const NOT_THERE = '4d3b2c1a-0000-4000-8000-000000000000';

describe('writing to a real API server', needs('cluster'), () => {
  let plane: ControlPlane;
  let client: ApiServerClient;
  before(async () => {
    plane = await ControlPlane.start();
    client = openApiClient({ kubeconfig: plane.kubeconfig });
  });
  after(async () => {
    await client.close();
    await plane[Symbol.asyncDispose]();
  });

  const get = async (path: string) => JSON.parse((await plane.request(path)).body);
  const leadership = { signal: new AbortController().signal, isHeld: () => true };
  /** Carries out one action once. */
  const carryOut = async (action: Action): Promise<WriteEvent> => {
    const { promise, resolve } = Promise.withResolvers<WriteEvent>();
    const writer = new ActionWriter({ client, onEvent: resolve });
    writer.resume(leadership);
    writer.update([['only', action]]);
    const event = await promise;
    writer.pause();
    return event;
  };
  const services = '/api/v1/namespaces/default/services';
  const manifest = (name: string, port: number) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { 'app.kubernetes.io/managed-by': 'sluice' } },
    spec: { type: 'ClusterIP', ports: [{ name: 'http', port, protocol: 'TCP' }] },
  });
  const apply = (name: string, port: number, uid?: string): Action => ({
    kind: 'apply',
    ref: { kind: 'Service', namespace: 'default', name },
    manifest: manifest(name, port),
    ...(uid !== undefined && { uid }),
  });

  test('creates what is not there and changes it afterwards, as the only manager of its fields', async () => {
    assert.equal((await carryOut(apply('made', 80))).outcome.kind, 'written');
    const made = await get(`${services}/made`);
    assert.equal((await carryOut(apply('made', 81, made.metadata.uid))).outcome.kind, 'written');
    const changed = await get(`${services}/made`);
    assert.deepEqual(
      changed.spec.ports.map(({ port }: { port: number }) => port),
      [81],
    );
    assert.deepEqual(
      changed.metadata.managedFields.map(({ manager, operation }: Record<string, string>) => [manager, operation]),
      [['sluice', 'Apply']],
    );
  });

  test('does not touch an object of somebody else that has the name', async () => {
    const { metadata, ...rest } = manifest('foreign', 8080);
    await plane.request(services, { method: 'POST', body: { ...rest, metadata: { name: metadata.name } } });
    const before = await get(`${services}/foreign`);
    const events = [await carryOut(apply('foreign', 80)), await carryOut(apply('foreign', 80, NOT_THERE))];
    assert.deepEqual(
      events.map(({ outcome }) => outcome.kind),
      ['superseded', 'superseded'],
    );
    assert.deepEqual(await get(`${services}/foreign`), before);
  });

  test('does not make an object again that was deleted since it was judged', async () => {
    assert.equal((await carryOut(apply('gone', 80, NOT_THERE))).outcome.kind, 'superseded');
    assert.equal((await plane.request(`${services}/gone`)).status, 404);
  });

  test('leaves fields of others on an object of ours', async () => {
    await carryOut(apply('shared', 80));
    const { metadata } = await get(`${services}/shared`);
    await plane.kubectl('annotate', 'service', 'shared', 'example.com/theirs=kept');
    await carryOut(apply('shared', 82, metadata.uid));
    const after = await get(`${services}/shared`);
    assert.equal(after.metadata.annotations['example.com/theirs'], 'kept');
    assert.equal(after.spec.ports[0].port, 82);
  });

  test('deletes the object that it means and no other of its name', async () => {
    await carryOut(apply('old', 80));
    const { metadata } = await get(`${services}/old`);
    const deletion = { kind: 'delete', ref: { kind: 'Service', namespace: 'default', name: 'old' }, apiVersion: 'v1' } as const;
    assert.equal((await carryOut({ ...deletion, uid: NOT_THERE })).outcome.kind, 'superseded');
    assert.equal((await get(`${services}/old`)).metadata.uid, metadata.uid);
    for (let times = 0; times < 2; times += 1) assert.equal((await carryOut({ ...deletion, uid: metadata.uid })).outcome.kind, 'written');
    assert.equal((await plane.request(`${services}/old`)).status, 404);
  });

  test('takes over the status that another controller wrote', async () => {
    const ingresses = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
    const spec = { defaultBackend: { service: { name: 'web', port: { number: 80 } } } };
    const body = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web', namespace: 'default' }, spec };
    const made = JSON.parse((await plane.request(ingresses, { method: 'POST', body })).body);
    const theirs = { ...made, status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } };
    await plane.request(`${ingresses}/web/status?fieldManager=cilium-operator`, { method: 'PUT', body: theirs });
    assert.equal((await get(`${ingresses}/web`)).status.loadBalancer.ingress[0].ip, '192.0.2.1');
    const ref = { kind: 'Ingress', namespace: 'default', name: 'web' };
    const status = (ingress: readonly object[]) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'web', namespace: 'default' },
      status: { loadBalancer: { ingress } },
    });
    const uid: string = made.metadata.uid;
    assert.equal(
      (await carryOut({ kind: 'status', ref, uid: NOT_THERE, manifest: status([{ ip: '192.0.2.9' }]) })).outcome.kind,
      'superseded',
    );
    for (const addresses of [[{ ip: '192.0.2.2' }], [{ hostname: 'lb.example.com' }, { ip: '192.0.2.3' }], []]) {
      assert.equal((await carryOut({ kind: 'status', ref, uid, manifest: status(addresses) })).outcome.kind, 'written');
      const now = await get(`${ingresses}/web`);
      assert.deepEqual(now.status.loadBalancer.ingress ?? [], addresses);
      assert.deepEqual(now.spec, made.spec);
    }
  });

  test('says in the words of the API server what it refuses', async () => {
    const { outcome } = await carryOut(apply('wrong', 70_000));
    assert.equal(outcome.kind, 'refused');
    assert.match(JSON.stringify(outcome), /must be between 1 and 65535/);
  });

  test('writes everything at last through an API server that is busy, broken and away', async () => {
    let calls = 0;
    const troubled = {
      request: async (request: ApiRequest) => {
        calls += 1;
        if (calls % 4 === 1) throw new ApiError('too-many-requests', 'busy', { status: 429, retryAfterMs: 20 });
        if (calls % 4 === 2) throw new ApiError('server-error', 'broken', { status: 500 });
        const answer = await client.request(request);
        if (calls % 4 === 3) throw new ApiError('unreachable', 'the answer was lost');
        return answer;
      },
    };
    const names = Array.from({ length: 16 }, (_, index) => `many-${index}`);
    const writer = new ActionWriter({ client: troubled });
    writer.resume(leadership);
    writer.update(names.map((name) => [name, apply(name, 80)]));
    await eventually(async () => {
      const { items } = await get(services);
      const present = new Set(items.map(({ metadata }: { metadata: { name: string } }) => metadata.name));
      writer.update(names.filter((name) => present.has(name)).map((name) => [name, undefined]));
      assert.equal(writer.state().pending, 0);
    });
    await writer.idle();
    assert.ok(calls >= 32, `${calls} requests`);
  });

  test('Events appear once, whoever finds, and kubectl shows them', async () => {
    await carryOut(apply('told', 80));
    const { metadata } = await get(`${services}/told`);
    const object = { kind: 'Service', namespace: 'default', name: 'told' };
    const diagnostic = {
      severity: 'error',
      code: 'ServicePortNotFound',
      message: 'there is no port 81',
      object,
      path: ['spec', 'ports'],
    } as const;
    const recorders = ['one', 'two'].map((instance) => new EventRecorder({ client, instance, refreshMs: 50 }));
    for (const recorder of recorders) {
      recorder.resume(leadership);
      recorder.sync([{ diagnostic, uid: metadata.uid }]);
    }
    const events = await eventually(async () => {
      const { items } = await get('/apis/events.k8s.io/v1/namespaces/default/events');
      const ours = items.filter(({ reportingController }: Record<string, string>) => reportingController === 'sluice.io/controller');
      assert.ok(ours[0]?.series?.count >= 3);
      return ours;
    });
    for (const recorder of recorders) recorder.pause();
    assert.equal(events.length, 1);
    const described = await plane.kubectl('describe', 'service', 'told');
    assert.match(described, /Warning +ServicePortNotFound .*sluice\.io\/controller.* spec\.ports: there is no port 81/);
  });
});
