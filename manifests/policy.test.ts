import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { POLICY_RESOURCES } from '../kube/index.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const TEXT = read('policy.yaml');
const manifestView = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  rules: z.array(z.object({ apiGroups: z.array(z.string()), resources: z.array(z.string()), verbs: z.array(z.string()) })).optional(),
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
  assert.equal(MANIFESTS.length, 4);
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
    [`sluice/enforcer:${version}`],
  );
});

test('controllers may read what policy is made of, and write nothing but numbers of identities', () => {
  const granted = MANIFESTS.flatMap(({ rules = [] }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
    ),
  );
  const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '');
  const reading = POLICY_RESOURCES.flatMap(({ apiVersion, plural }) =>
    ['list', 'watch'].map((verb) => `${verb} ${groupOf(apiVersion)}/${plural}`),
  );
  const writing = ['create', 'patch', 'delete'].map((verb) => `${verb} sluice.io/sluiceidentities`);
  assert.deepEqual(granted.sort(), [...reading, ...writing].sort());
});

test('the enforcer has these capabilities, no token and no way to more', () => {
  const { spec } = daemonSetView.parse(loadAll(TEXT).find((_, index) => MANIFESTS[index]?.kind === 'DaemonSet'));
  const [container] = spec.template.spec.containers;
  assert.deepEqual(container?.securityContext.capabilities.add, ['BPF', 'NET_ADMIN', 'NET_BROADCAST', 'PERFMON']);
});
