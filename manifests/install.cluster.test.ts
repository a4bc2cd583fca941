import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONTROLLER_PERMISSIONS, describePermission, type Permission } from '../cli/doctor/permissions.ts';
import { ControlPlane } from '../conformance/lab/control-plane.ts';
import { askDoctor } from '../testkit/ask-doctor.ts';
import { needs } from '../testkit/capabilities.ts';
import { customKind } from '../testkit/custom-kind.ts';
import { eventually } from '../testkit/eventually.ts';

const INSTALL = fileURLToPath(new URL('install.yaml', import.meta.url));
const CONFIG_FOUND = 'CiliumEnvoyConfig default/cilium-ingress-default-web';
/** As much of Cilium's own as is looked at. */
const ENVOY_CONFIGS = customKind('CiliumEnvoyConfig', 'ciliumenvoyconfigs', 'cilium.io', 'v2', 'Namespaced');

function envoyConfig(name: string, service: string): object {
  const spec = { services: [{ name: service, namespace: 'default' }], resources: [] };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumEnvoyConfig', metadata: { name, namespace: 'default' }, spec };
}

describe('install.yaml', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true });
  });
  after(() => plane[Symbol.asyncDispose]());

  const ask = () => askDoctor(plane.kubeconfig);

  test('before it, the doctor says what is missing', async () => {
    const results = await ask();
    assert.equal(results.size, 16);
    const fine = [
      'api-server',
      'clock',
      'cni',
      'cilium-ingress',
      'cilium-leftovers',
      'permissions',
      'enforcers',
      'envoy-capability',
      'ingress-addresses',
    ];
    for (const name of fine) assert.equal(results.get(name)?.result, 'ok', name);
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
    const scale = ['-n', 'sluice-system', 'scale', 'deployment/sluice-controller'];
    await plane.kubectl(...scale, '--replicas=0');
    assert.match((await ask()).get('controllers')?.todo ?? '', /scale deployment sluice-controller --replicas=2/);
    await plane.kubectl(...scale, '--replicas=2');
  });

  test('the doctor sees what Cilium left, the worst of it first', async () => {
    const labels = { 'cilium.io/ingress': 'true' };
    const leftovers: readonly (readonly [objects: readonly object[], result: string, found: string])[] = [
      [
        [{ apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'cilium-ingress-web', namespace: 'default', labels }, subsets: [] }],
        'warning',
        'Endpoints default/cilium-ingress-web',
      ],
      [
        [
          {
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { name: 'cilium-ingress', namespace: 'kube-system', labels },
            spec: { ports: [{ port: 80 }] },
          },
        ],
        'warning',
        'Service kube-system/cilium-ingress',
      ],
      [[envoyConfig('other', 'web'), envoyConfig('cilium-ingress-default-web', 'cilium-ingress-web')], 'failed', CONFIG_FOUND],
    ];
    assert.equal((await ask()).get('cilium-leftovers')?.result, 'ok');
    await plane.apply([ENVOY_CONFIGS]);
    await plane.kubectl('wait', '--for=condition=Established', 'crd/ciliumenvoyconfigs.cilium.io', '--timeout=30s');
    for (const [objects, result, found] of leftovers) {
      await plane.apply(objects);
      // A kind that is new is not answered for at once.
      await eventually(async () => {
        const seen = (await ask()).get('cilium-leftovers');
        assert.deepEqual([seen?.result, seen?.found], [result, found]);
      });
    }
  });
});
