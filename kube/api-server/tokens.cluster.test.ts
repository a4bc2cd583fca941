import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { ApiServerClient } from './api-server-client.ts';
import { ApiServerSource } from './api-server-source.ts';
import { inClusterAccess } from './in-cluster.ts';
import type { ReflectorEvent } from './reflector.ts';

const NAMESPACE = 'default';
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
/** API servers remember for ten seconds whom a token is of, and what begins then goes on. */
const REFUSED_WITHIN = { withinMs: 60_000 };

/** A token that is good as long as a Secret exists: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens */
async function boundToken(plane: ControlPlane, secret: string): Promise<string> {
  const made = await plane.request(`/api/v1/namespaces/${NAMESPACE}/secrets`, { method: 'POST', body: { metadata: { name: secret } } });
  assert.equal(made.status, 201, made.body);
  const spec = { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: secret } };
  const answer = await plane.request(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts/reader/token`, { method: 'POST', body: { spec } });
  assert.equal(answer.status, 201, answer.body);
  return JSON.parse(answer.body).status.token;
}

test('a token that is over is no loss, and the next one is read from disk', { ...needs('cluster'), timeout: 120_000 }, async (t) => {
  await using plane = await ControlPlane.start();
  using folder = new TemporaryFolder();
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reader', namespace: NAMESPACE } };
  await plane.apply([account]);
  await plane.kubectl('create', 'clusterrolebinding', 'reader', '--clusterrole=cluster-admin', `--serviceaccount=${NAMESPACE}:reader`);
  writeFileSync(folder.join('ca.crt'), plane.credentials.authority);
  writeFileSync(folder.join('token'), await boundToken(plane, 'first'));
  const { hostname, port } = new URL(plane.url);
  const access = inClusterAccess({ KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }, folder.path);
  assert.ok(access);
  const client = new ApiServerClient(access);
  const lost: ReflectorEvent[] = [];
  const source = new ApiServerSource(client, { onEvent: (event) => event.type === 'lost' && lost.push(event) });
  {
    await using follower = await ObjectFollower.start(source);
    const service = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: NAMESPACE },
      spec: { ports: [{ port: 80 }] },
    });
    await plane.apply([service('before')]);
    await follower.until(() => follower.get('Service/default/before') !== undefined);

    await plane.request(`/api/v1/namespaces/${NAMESPACE}/secrets/first`, { method: 'DELETE' });
    await eventually(async () => await assert.rejects(client.request({ path: SERVICES }), { code: 'unauthorized' }), REFUSED_WITHIN);
    // Watches that are open would go on for minutes.
    await plane.kill('kube-apiserver');
    plane.start('kube-apiserver');
    await plane.ready();
    await eventually(() => assert.ok(lost.some(({ error }) => error?.code === 'unauthorized')), REFUSED_WITHIN);
    assert.ok(follower.get('Service/default/before'), 'what was read went away');

    writeFileSync(folder.join('token'), await boundToken(plane, 'second'));
    await plane.apply([service('after')]);
    await eventually(() => assert.ok(follower.get('Service/default/after')), REFUSED_WITHIN);
    assert.ok(follower.get('Service/default/before'));
    t.diagnostic(`${lost.length} attempts failed between two tokens`);
  }
  await client.close();
});
