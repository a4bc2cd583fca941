import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEvent } from '../testkit/audit-log.ts';
import { compareRights, type RightsManifest, rightsOf } from './rights.ts';

const ACCOUNT = { kind: 'ServiceAccount', name: 'worker', namespace: 'own' };
const USER = 'system:serviceaccount:own:worker';
const MANIFESTS: readonly RightsManifest[] = [
  {
    kind: 'ClusterRole',
    metadata: { name: 'everywhere' },
    rules: [
      { apiGroups: [''], resources: ['services'], verbs: ['list', 'patch', 'create'] },
      { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'], verbs: ['update'] },
      { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: ['sluice.io/node'], verbs: ['approve'] },
    ],
  },
  { kind: 'ClusterRoleBinding', metadata: { name: 'a' }, roleRef: { kind: 'ClusterRole', name: 'everywhere' }, subjects: [ACCOUNT] },
  {
    kind: 'Role',
    metadata: { name: 'here', namespace: 'own' },
    rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['one'], verbs: ['get'] }],
  },
  { kind: 'RoleBinding', metadata: { name: 'b', namespace: 'own' }, roleRef: { kind: 'Role', name: 'here' }, subjects: [ACCOUNT] },
];

function event(
  verb: string,
  resource: string,
  options: { group?: string; at?: string; code?: number; username?: string } = {},
): AuditEvent {
  const { group = '', at = '', code = 200, username = USER } = options;
  const [plural = '', subresource = ''] = resource.split('/');
  const [namespace = '', name = ''] = at.split('/');
  return {
    stage: 'ResponseComplete',
    verb,
    requestURI: `/${resource}`,
    user: { username },
    userAgent: '',
    objectRef: { apiGroup: group, resource: plural, subresource, namespace, name },
    responseStatus: { code },
    requestReceivedTimestamp: 0,
    stageTimestamp: 0,
  };
}

const ALL = [
  event('list', 'services'),
  event('patch', 'services', { at: 'x/new', code: 201 }),
  event('update', 'certificatesigningrequests/approval', { group: 'certificates.k8s.io', at: '/r' }),
  event('get', 'secrets', { at: 'own/one' }),
];
const NOTHING = { refused: [], ungranted: [], unused: [], superfluous: [] };
const without = (index: number, ...added: readonly AuditEvent[]) => [...ALL.toSpliced(index, 1), ...added];

for (const [what, events, difference] of [
  ['all that is granted is used, and nothing else', ALL, {}],
  ['others do what they like', [...ALL, event('delete', 'nodes', { username: 'admin', code: 403 })], {}],
  ['a rule that nobody uses', without(0), { unused: ['ClusterRole everywhere: list services'] }],
  [
    'an apply that creates nothing',
    without(1, event('patch', 'services', { at: 'x/old' })),
    { unused: ['ClusterRole everywhere: create services'] },
  ],
  [
    'an approval that is none',
    without(2, event('update', 'certificatesigningrequests/approval', { group: 'certificates.k8s.io', at: '/r', code: 409 })),
    { unused: ['ClusterRole everywhere: approve signers.certificates.k8s.io sluice.io/node'] },
  ],
  [
    'an object of another name, or in another namespace',
    without(3, event('get', 'secrets', { at: 'own/two' }), event('get', 'secrets', { at: 'other/one' })),
    { unused: ['Role here: get secrets one'], ungranted: [`${USER}: get secrets other/one`, `${USER}: get secrets own/two`] },
  ],
  [
    'a request that is refused',
    [...ALL, event('list', 'pods', { code: 403 })],
    { refused: [`${USER}: list /pods`], ungranted: [`${USER}: list pods /`] },
  ],
  [
    'an account without rights',
    [...ALL, event('list', 'services', { username: 'system:serviceaccount:own:default' })],
    { ungranted: ['system:serviceaccount:own:default: list services /'] },
  ],
] as const) {
  test(`rights: ${what}`, () => assert.deepEqual(compareRights(rightsOf(MANIFESTS), events), { ...NOTHING, ...difference }));
}

test('rights: what a wider right contains is superfluous', () => {
  const wide: RightsManifest = {
    kind: 'ClusterRole',
    metadata: { name: 'everywhere' },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
  };
  const { superfluous } = compareRights(rightsOf([wide, ...MANIFESTS.slice(1)]), []);
  assert.deepEqual(superfluous, ['Role here: get secrets one']);
});

test('rights: a binding of a role that is not there is an error', () => {
  assert.throws(() => rightsOf(MANIFESTS.slice(1)), /everywhere|not there/);
});
