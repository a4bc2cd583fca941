import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ControlPlane } from './control-plane.ts';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept', namespace: 'default' } };

describe('control plane', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true, audit: true });
  });
  after(() => plane[Symbol.asyncDispose]());

  test('says which version of Kubernetes it is', async () => {
    const { body } = await plane.request('/version');
    assert.equal(JSON.parse(body).gitVersion, 'v1.36.3');
  });

  test('runs controllers', async () => {
    await plane.kubectl('create', 'namespace', 'made');
    await eventually(() => plane.kubectl('get', 'serviceaccount', 'default', '-n', 'made'));
    await plane.kubectl('delete', 'namespace', 'made', '--timeout=60s');
  });

  test('makes tokens by which the API server knows who asks', async () => {
    const token = await plane.serviceAccountToken('default', 'reader');
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { body } = await plane.request('/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', body: review });
    assert.equal(JSON.parse(body).status.user.username, 'system:serviceaccount:default:reader');
  });

  test('writes who did what', async () => {
    await plane.apply([CONFIG_MAP]);
    await eventually(() => {
      const events = readFileSync(plane.auditLog, 'utf8').trim().split('\n');
      const found = events.map((line) => JSON.parse(line)).find(({ objectRef }) => objectRef?.name === 'kept');
      assert.equal(found?.user.username, 'admin');
    });
  });

  test('goes back to what etcd held before', async () => {
    await plane.apply([CONFIG_MAP]);
    const snapshot = await plane.snapshot();
    await plane.apply([{ ...CONFIG_MAP, metadata: { name: 'lost', namespace: 'default' } }]);
    await plane.restore(snapshot);
    const names = await plane.kubectl('get', 'configmaps', '-o', 'name');
    assert.match(names, /configmap\/kept/);
    assert.doesNotMatch(names, /configmap\/lost/);
  });

  test('survives that its processes are killed', async () => {
    for (const name of ['etcd', 'kube-apiserver'] as const) {
      await plane.kill(name);
      plane.start(name);
      await plane.ready();
    }
  });

  test('ends with the process that started it', async () => {
    const module = new URL('control-plane.ts', import.meta.url);
    const program = `import { ControlPlane } from '${module}'; const { auditLog } = await ControlPlane.start(); console.log(auditLog); setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [auditLog = ''] = await once(createInterface(owner.stdout), 'line');
    const folder = dirname(String(auditLog));
    assert.equal(existsSync(folder), true);
    assert.ok(processesNaming(folder) >= 2);
    owner.kill('SIGKILL');
    await eventually(() => assert.equal(processesNaming(folder), 0));
    rmSync(folder, { recursive: true });
  });
});

function processesNaming(folder: string): number {
  const isOurs = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(name)).length;
}
