import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadAll } from 'js-yaml';
import { CONTROLLER_PERMISSIONS, describePermission } from '../cli/doctor/permissions.ts';
import { parseSettings } from '../settings/index.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly rules?: readonly Rule[];
  readonly data?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const TEXT = read('install.yaml');
const MANIFESTS = loadAll(TEXT) as readonly Manifest[];
const WORKSPACE = JSON.parse(read('../package.json'));

test('images have the version of this Sluice', () => {
  const images = [...TEXT.matchAll(/image: (\S+)/g)].map(([, image]) => image);
  const expected = ['controller', 'agent', 'agent', 'envoy', 'envoy'].map((name) => `sluice/${name}:${WORKSPACE.version}`);
  assert.deepEqual(images, expected);
});

test('every object says what it is part of', () => {
  assert.ok(MANIFESTS.length >= 17);
  for (const { kind, metadata } of MANIFESTS)
    assert.equal(metadata.labels?.['app.kubernetes.io/part-of'], 'sluice', `${kind} ${metadata.name}`);
});

test('the permissions that the doctor asks for are those that are granted', () => {
  const granted = MANIFESTS.filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === 'sluice-controller').flatMap(
    ({ kind, rules = [] }) =>
      rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined] }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            verbs.flatMap((verb) =>
              resourceNames.map((name) => ({
                group,
                resource,
                verb,
                isOwnNamespace: kind === 'Role',
                ...(name !== undefined && { name }),
              })),
            ),
          ),
        ),
      ),
  );
  const describe = (permissions: typeof CONTROLLER_PERMISSIONS) =>
    permissions.map((permission) => `${describePermission(permission)} ${permission.isOwnNamespace}`).sort();
  assert.ok(granted.length > 25);
  assert.deepEqual(describe(granted), describe(CONTROLLER_PERMISSIONS));
});

test('the settings are valid', () => {
  const text = MANIFESTS.find(({ metadata }) => metadata.name === 'sluice-config')?.data?.['sluice.yaml'] ?? '';
  assert.deepEqual(Object.keys(parseSettings(text, 'sluice.yaml')), ['settings']);
});

test('no container is privileged or gains privileges, and each drops what it has', () => {
  const count = (part: RegExp) => [...TEXT.matchAll(part)].length;
  assert.equal(count(/privileged: true/g), 0);
  for (const part of [/allowPrivilegeEscalation: false/g, /readOnlyRootFilesystem: true/g, /drop: \[ALL\]/g])
    assert.equal(count(part), 5, String(part));
});
