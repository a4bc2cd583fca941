import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { describePermission, POLICY_PERMISSIONS } from '../cli/doctor/permissions.ts';
import { CILIUM_DEFINITIONS } from '../controller/definitions/cilium-definitions.ts';
import { ENVOY_CONFIG_RESOURCES, POLICY_RESOURCES } from '../kube/index.ts';
import { DEFAULT_NAMESPACE, INGRESS_ADDRESS_LABEL } from '../policy/index.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const TEXT = read('policy.yaml');
const manifestView = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  rules: z
    .array(
      z.object({
        apiGroups: z.array(z.string()),
        resources: z.array(z.string()),
        verbs: z.array(z.string()),
        resourceNames: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
const containerView = z.object({
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]), add: z.array(z.string()) }),
  }),
});
const daemonSetView = z.object({
  spec: z.object({
    template: z.object({ spec: z.object({ automountServiceAccountToken: z.literal(false), containers: z.array(containerView) }) }),
  }),
});
const MANIFESTS = loadAll(TEXT).map((manifest) => manifestView.parse(manifest));

test('every object says what it is part of', () => {
  assert.equal(MANIFESTS.length, 5);
  for (const { kind, metadata } of MANIFESTS)
    assert.equal(metadata.labels['app.kubernetes.io/part-of'], 'sluice', `${kind} ${metadata.name}`);
});

test('the kind of its own is the one that stands alone, too', () => {
  const crd = loadAll(TEXT).find((_, index) => MANIFESTS[index]?.kind === 'CustomResourceDefinition');
  assert.deepEqual(crd, loadAll(read('crds/sluiceidentities.yaml'))[0]);
});

test('images have the version of this Sluice', () => {
  const { version } = JSON.parse(read('../package.json'));
  assert.deepEqual(
    [...TEXT.matchAll(/image: (\S+)/g)].map(([, image]) => image),
    [`sluice/enforcer:${version}`, `sluice/envoy:${version}`],
  );
});

test('controllers may do what the doctor asks for, everywhere', () => {
  const granted = MANIFESTS.flatMap(({ rules = [] }) =>
    rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.flatMap((verb) =>
            resourceNames.map((name) => describePermission({ group, resource, verb, isOwnNamespace: false, ...(name && { name }) })),
          ),
        ),
      ),
    ),
  );
  assert.deepEqual(granted.sort(), POLICY_PERMISSIONS.map(describePermission).sort());
  assert.ok(POLICY_PERMISSIONS.every(({ isOwnNamespace }) => !isOwnNamespace));
});

test('they may read what policy is made of, and of definitions of kinds make some and change none', () => {
  const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '');
  const reading = [...POLICY_RESOURCES, ...ENVOY_CONFIG_RESOURCES].flatMap(({ apiVersion, plural }) =>
    ['list', 'watch'].map((verb) => `${verb} ${groupOf(apiVersion)}/${plural}`),
  );
  const granted = POLICY_PERMISSIONS.map(
    ({ verb, group, resource, name }) => `${verb} ${group}/${resource}${name === undefined ? '' : ` ${name}`}`,
  );
  assert.deepEqual(
    reading.filter((right) => !granted.includes(right)),
    [],
  );
  const definitions = 'apiextensions.k8s.io/customresourcedefinitions';
  assert.deepEqual(
    granted.filter((right) => right.includes(definitions)).sort(),
    [`create ${definitions}`, ...CILIUM_DEFINITIONS.map(({ metadata }) => `get ${definitions} ${metadata.name}`)].sort(),
  );
});

test('the enforcer has these capabilities, no token and no way to more', () => {
  const { spec } = daemonSetView.parse(loadAll(TEXT).find((_, index) => MANIFESTS[index]?.kind === 'DaemonSet'));
  const [container] = spec.template.spec.containers;
  assert.deepEqual(container?.securityContext.capabilities.add, ['BPF', 'NET_ADMIN', 'NET_BROADCAST', 'PERFMON']);
});

test('what nodes have their ingress addresses by has nothing, and the label that Sluice knows it by', () => {
  const view = z.object({
    metadata: z.object({ name: z.literal('sluice-ingress-address'), namespace: z.literal(DEFAULT_NAMESPACE) }),
    spec: z.object({
      template: z.object({
        metadata: z.object({ labels: z.record(z.string(), z.string()) }),
        spec: z.object({
          automountServiceAccountToken: z.literal(false),
          hostNetwork: z.undefined().optional(),
          volumes: z.undefined().optional(),
          securityContext: z.object({ runAsNonRoot: z.literal(true), seccompProfile: z.object({ type: z.literal('RuntimeDefault') }) }),
          containers: z.tuple([
            z.object({
              env: z.undefined().optional(),
              securityContext: z.strictObject({
                allowPrivilegeEscalation: z.literal(false),
                readOnlyRootFilesystem: z.literal(true),
                capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
              }),
            }),
          ]),
        }),
      }),
    }),
  });
  const { spec } = view.parse(loadAll(TEXT).at(-1));
  assert.ok(INGRESS_ADDRESS_LABEL in spec.template.metadata.labels);
});

test('Envoy gets a capability of the network by a patch, and what it takes to become 65532 with it', () => {
  const patched = z.object({ name: z.literal('envoy'), securityContext: z.record(z.string(), z.unknown()) });
  const view = z.object({
    spec: z.object({ template: z.object({ spec: z.object({ containers: z.tuple([patched]) }) }) }),
  });
  const { spec } = view.strict().parse(loadAll(read('envoy-capability.yaml'))[0]);
  assert.deepEqual(spec.template.spec.containers[0].securityContext, {
    runAsNonRoot: false,
    runAsUser: 0,
    runAsGroup: 65532,
    capabilities: { add: ['NET_RAW', 'SETGID', 'SETUID'] },
  });
});
