import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describePermission, POLICY_PERMISSIONS } from '../cli/doctor/permissions.ts';
import { ControlPlane } from '../conformance/lab/control-plane.ts';
import { CILIUM_DEFINITIONS } from '../controller/definitions/cilium-definitions.ts';
import { askDoctor } from '../testkit/ask-doctor.ts';
import { needs } from '../testkit/capabilities.ts';
import { customKind } from '../testkit/custom-kind.ts';

const INSTALL = readFileSync(new URL('install.yaml', import.meta.url), 'utf8');
const POLICED = INSTALL.replace('  sluice.yaml: |\n', '  sluice.yaml: |\n    policy:\n      enabled: true\n');
const POLICY = fileURLToPath(new URL('policy.yaml', import.meta.url));
const DOCUMENTATION = readFileSync(new URL('../docs/install.md', import.meta.url), 'utf8');
const ENVOY_PATCH = fileURLToPath(new URL('envoy-capability.yaml', import.meta.url));
const SYSTEM = ['-n', 'sluice-system'];

function configMap(name: string, data: object): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data };
}

/** The DaemonSet of a CNI that enforces policies by programs of its own. */
const AWS_NODE = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'aws-node', namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: { app: 'aws-node' } },
    template: {
      metadata: { labels: { app: 'aws-node' } },
      spec: { containers: [{ name: 'aws-eks-nodeagent', image: 'none', args: ['--enable-network-policy=true'] }] },
    },
  },
};

const FELIX = customKind('FelixConfiguration', 'felixconfigurations', 'crd.projectcalico.org', 'v1', 'Cluster');

describe('policy.yaml', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true });
    await plane.apply(INSTALL);
  });
  after(() => plane[Symbol.asyncDispose]());

  const ask = () => askDoctor(plane.kubeconfig);
  const expect = async (expected: Readonly<Record<string, readonly [result: string, found: RegExp]>>) => {
    const results = await ask();
    for (const [name, [result, found]] of Object.entries(expected)) {
      assert.equal(results.get(name)?.result, result, name);
      assert.match(results.get(name)?.found ?? '', found);
    }
  };

  test('is nothing that the doctor misses while policies are switched off', async () => {
    await expect({
      enforcers: ['ok', /^policies are not to be enforced$/],
      'envoy-capability': ['ok', /^Envoy has no capability, and needs none$/],
      'ingress-addresses': ['ok', /need no address/],
      'policy-kinds': ['ok', /^not all of Cilium's kinds are known, and no policies are to be enforced$/],
      'other-ebpf': ['ok', /^no network plugin/],
    });
  });

  test('is missed once they are switched on', async () => {
    await plane.apply(POLICED);
    await expect({
      enforcers: ['failed', /there is no DaemonSet sluice-enforcer in sluice-system$/],
      'ingress-addresses': ['failed', /^there is no DaemonSet sluice-ingress-address in sluice-system/],
      'envoy-capability': ['failed', /^Envoy has no capability: it serves no Ingress where policies are enforced/],
      'policy-kinds': ['warning', /^there is no CustomResourceDefinition ciliumnetworkpolicies\.cilium\.io, (\w+\.cilium\.io(, |$)){3}$/],
    });
  });

  test('is applied by plain kubectl, without a warning', async () => {
    await plane.kubectl('apply', '--warnings-as-errors', '--validate=strict', '-f', POLICY);
    await expect({
      enforcers: ['failed', /^policies are enforced on 0 of 0 nodes$/],
      'ingress-addresses': ['failed', /^Ingresses have an address of their own on 0 of 0 nodes$/],
    });
  });

  test('lets Envoy have its capability, which stays when what is installed is applied again', async () => {
    await plane.kubectl(...SYSTEM, 'patch', 'daemonset', 'sluice-envoy', '--patch-file', ENVOY_PATCH);
    const containers = async () => {
      const { body } = await plane.request('/apis/apps/v1/namespaces/sluice-system/daemonsets/sluice-envoy');
      return JSON.parse(body).spec.template.spec.containers;
    };
    await expect({ 'envoy-capability': ['ok', /^Envoy has NET_RAW, for Ingresses and rules of layer 7$/] });
    const before = await containers();
    assert.deepEqual(before[0].securityContext, {
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 65532,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_RAW', 'SETGID', 'SETUID'] },
    });
    await plane.apply(POLICED.replaceAll(/(image: sluice\/envoy):\S+/g, '$1:newer'));
    assert.deepEqual(await containers(), [{ ...before[0], image: 'sluice/envoy:newer' }]);
    const [documented = ''] = /(?<=daemonset sluice-envoy -p \\\n {2}')[^']+/.exec(DOCUMENTATION) ?? [];
    await plane.kubectl(...SYSTEM, 'patch', 'daemonset', 'sluice-envoy', '-p', documented);
    await plane.apply(POLICED);
    const after = await containers();
    assert.deepEqual(after[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  test('lets controllers do all that the doctor asks for', async () => {
    for (const permission of POLICY_PERMISSIONS) {
      const [resource, subresource = ''] = permission.resource.split('/');
      const { group, verb, name = '' } = permission;
      const resourceAttributes = { group, resource, subresource, verb, name };
      const spec = { user: 'system:serviceaccount:sluice-system:sluice-controller', groups: ['system:authenticated'], resourceAttributes };
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
      const answer = await plane.request('/apis/authorization.k8s.io/v1/subjectaccessreviews', { method: 'POST', body });
      assert.equal(JSON.parse(answer.body).status.allowed, true, describePermission(permission));
    }
  });

  test('has kinds of Cilium made, of whose schemas the doctor tells the version', async () => {
    await plane.apply(CILIUM_DEFINITIONS);
    await expect({ 'policy-kinds': ['ok', /^schemas of Cilium's kinds: 1\.33\.0$/] });
  });

  test('cannot be beside others with eBPF programs at pods, which are named', async () => {
    await plane.apply([configMap('cilium-config', {}), AWS_NODE, FELIX]);
    await plane.kubectl('wait', '--for=condition=Established', '--timeout=30s', 'crd/felixconfigurations.crd.projectcalico.org');
    const calico = {
      apiVersion: 'crd.projectcalico.org/v1',
      kind: 'FelixConfiguration',
      metadata: { name: 'default' },
      spec: { bpfEnabled: true },
    };
    await plane.apply([calico]);
    await expect({ 'other-ebpf': ['failed', /^Cilium, Calico with its eBPF dataplane, Amazon VPC CNI with its network policy agent$/] });
  });

  test('is too much once policies are switched off again', async () => {
    await plane.apply(INSTALL);
    await expect({
      enforcers: ['warning', /^there are enforcers, and policies are not to be enforced$/],
      'policy-kinds': ['ok', /1\.33\.0/],
      'other-ebpf': ['ok', /^Cilium, .*; policies are left to it$/],
    });
    await plane.kubectl(...SYSTEM, 'delete', 'daemonset', 'sluice-enforcer');
    await expect({ enforcers: ['ok', /^policies are not to be enforced$/] });
  });
});
