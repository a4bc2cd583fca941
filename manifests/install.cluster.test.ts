import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkCluster } from '../cli/doctor/cluster.ts';
import { CONTROLLER_PERMISSIONS, describePermission, type Permission } from '../cli/doctor/permissions.ts';
import { ControlPlane } from '../conformance/lab/control-plane.ts';
import { openApiClient } from '../kube/index.ts';
import { needs } from '../testkit/capabilities.ts';
import { eventually } from '../testkit/eventually.ts';

const INSTALL = fileURLToPath(new URL('install.yaml', import.meta.url));
const CLASS = { className: 'cilium', controllerName: 'cilium.io/ingress-controller' };

describe('install.yaml', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true });
  });
  after(() => plane[Symbol.asyncDispose]());

  const ask = async () => {
    const client = openApiClient({ kubeconfig: plane.kubeconfig });
    try {
      const results = await checkCluster({ client, namespace: 'sluice-system', ...CLASS, now: Date.now });
      return new Map(results.map((result) => [result.name, result]));
    } finally {
      await client.close();
    }
  };

  test('before it, the doctor says what is missing', async () => {
    const results = await ask();
    assert.equal(results.size, 10);
    for (const name of ['api-server', 'clock', 'cni', 'cilium-ingress', 'permissions']) assert.equal(results.get(name)?.result, 'ok', name);
    for (const name of ['ingress-class', 'controllers', 'agents', 'envoys', 'authority'])
      assert.equal(results.get(name)?.result, 'failed', name);
  });

  test('is applied by plain kubectl, without a warning, and again without a change', async () => {
    await plane.kubectl('apply', '--warnings-as-errors', '--validate=strict', '-f', INSTALL);
    const generations = () =>
      plane.kubectl('get', 'deployments,daemonsets,poddisruptionbudgets', '-A', '-o', 'jsonpath={.items[*].metadata.generation}');
    assert.equal(await generations(), '1 1 1 1');
    await plane.kubectl('apply', '--warnings-as-errors', '--validate=strict', '-f', INSTALL);
    assert.equal(await generations(), '1 1 1 1');
  });

  test('both workloads make their pods, which the admission of pods lets in', async () => {
    await eventually(
      async () => {
        const names = await plane.kubectl('get', 'pods', '-n', 'sluice-system', '-o', 'name');
        assert.equal(names.match(/pod\/sluice-controller-/g)?.length, 2);
      },
      { withinMs: 60_000 },
    );
  });

  const may = async (account: string, { group, resource: full, verb, name, isOwnNamespace }: Permission) => {
    const [resource, subresource = ''] = full.split('/');
    const resourceAttributes = { group, resource, subresource, verb, name: name ?? '', namespace: isOwnNamespace ? 'sluice-system' : '' };
    const spec = { user: `system:serviceaccount:sluice-system:${account}`, groups: ['system:authenticated'], resourceAttributes };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    const answer = await plane.request('/apis/authorization.k8s.io/v1/subjectaccessreviews', { method: 'POST', body });
    return JSON.parse(answer.body).status.allowed;
  };

  test('its controllers may do all that the doctor asks for, its agents none of it', async () => {
    for (const permission of CONTROLLER_PERMISSIONS) {
      assert.equal(await may('sluice-controller', permission), true, describePermission(permission));
      assert.equal(await may('sluice-agent', permission), false, describePermission(permission));
    }
    const request = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', isOwnNamespace: false };
    for (const verb of ['create', 'get']) assert.equal(await may('sluice-agent', { ...request, verb }), true, verb);
  });

  test('the doctor sees it, and the ingress controller of Cilium beside it', async () => {
    await plane.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'cilium-config', namespace: 'kube-system' },
        data: { 'enable-ingress-controller': 'true' },
      },
    ]);
    const results = await ask();
    assert.equal(results.get('ingress-class')?.result, 'ok');
    assert.equal(results.get('cilium-ingress')?.result, 'failed');
    assert.equal(results.get('controllers')?.found, '0 of 2 controllers are available');
  });
});
