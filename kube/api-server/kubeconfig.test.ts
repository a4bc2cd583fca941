import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { assert as assertProperty, object, oneof, property, string } from 'fast-check';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { CredentialsError } from './credentials.ts';
import { chooseFromKubeconfigs, readKubeconfigs } from './kubeconfig.ts';
import { kubeconfigAccess } from './kubeconfig-access.ts';
import { openApiClient } from './open-api-client.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly name?: string;
  readonly current?: string | undefined;
}

function kubeconfig({ cluster = {}, user = {}, name = 'main', current = name }: Parts = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://${name}:6443`, ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': current,
  });
}

const choose = (parts?: Parts, context?: string) => chooseFromKubeconfigs([{ path: '/etc/kube/config', text: kubeconfig(parts) }], context);

describe('a kubeconfig', () => {
  test('of several files the first that knows a name counts, and the first current context', () => {
    const texts = [
      { path: '/a/config', text: kubeconfig({ name: 'first', user: { token: 'of-first' }, current: '' }) },
      { path: '/b/config', text: kubeconfig({ name: 'second', user: { tokenFile: 'token' }, current: 'second' }) },
      { path: '/c/config', text: kubeconfig({ name: 'second', user: { token: 'never' }, current: 'first' }) },
    ];
    const second = chooseFromKubeconfigs(texts);
    assert.equal(second.cluster.server, 'https://second:6443');
    assert.equal(second.user.tokenFile, '/b/token');
    assert.equal(chooseFromKubeconfigs(texts, 'first').user.token, 'of-first');
  });

  for (const [what, act, told] of [
    ['names a context that is not there', () => choose({}, 'none'), /no context "none"/],
    ['has no current context', () => choose({ current: '' }), /no current context/],
    ['names a server without TLS', () => choose({ cluster: { server: 'http://s3cret' } }), /wrong or missing: server/],
    ['names a proxy', () => choose({ cluster: { 'proxy-url': 'http://s3cret' } }), /proxy-url is not supported/],
    ['has a token that is no text', () => choose({ user: { token: { s3cret: 1 } } }), /wrong or missing: token/],
    ['is no YAML', () => chooseFromKubeconfigs([{ path: '/x', text: 'token: "s3cret' }]), /is not YAML/],
  ] as const) {
    test(`that ${what} is refused without a value in the message`, () => {
      assert.throws(act, (error: unknown) => {
        assert.ok(error instanceof CredentialsError && error.code === 'invalid');
        assert.match(error.message, told);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      });
    });
  }

  test('whatever stands in it, it gives a choice or a CredentialsError', () => {
    const users = oneof(object(), string());
    assertProperty(
      property(users, users, string(), (user, cluster, garbage) => {
        for (const text of [
          garbage,
          JSON.stringify({ clusters: user, users: cluster }),
          kubeconfig({ user: Object(user), cluster: Object(cluster) }),
        ]) {
          try {
            assert.ok(chooseFromKubeconfigs([{ path: '/x', text }]).cluster.server);
          } catch (error) {
            assert.ok(error instanceof CredentialsError, String(error));
          }
        }
      }),
    );
  });

  test('a kubeconfig that is asked for and does not exist is named', () => {
    const refused = { name: 'CredentialsError', code: 'not-found', message: 'there is no kubeconfig at /nowhere/config' };
    assert.throws(() => openApiClient({ kubeconfig: '/nowhere/config' }), refused);
    assert.throws(() => openApiClient({ environment: { KUBECONFIG: '/nowhere/config' } }), refused);
  });

  test('files of KUBECONFIG that do not exist are left out', () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('there'), kubeconfig());
    const read = readKubeconfigs({ KUBECONFIG: `${folder.join('missing')}:${folder.join('there')}` });
    assert.deepEqual(
      read.map(({ path }) => path),
      [folder.join('there')],
    );
  });
});

describe('the access that a kubeconfig gives', () => {
  test('certificates and keys are inline or in files, and inline counts', async () => {
    using folder = new TemporaryFolder();
    for (const name of ['ca', 'cert', 'key']) writeFileSync(folder.join(name), `${name} of a file\n`);
    const cluster = { 'certificate-authority': 'ca', 'tls-server-name': 'other', 'insecure-skip-tls-verify': false };
    const user = { 'client-certificate': 'cert', 'client-key': 'key', 'client-key-data': base64('inline key') };
    const access = kubeconfigAccess(chooseFromKubeconfigs([{ path: folder.join('config'), text: kubeconfig({ cluster, user }) }]));
    assert.deepEqual(access.cluster(), { server: 'https://main:6443', authority: 'ca of a file', serverName: 'other' });
    assert.deepEqual(await access.credential(), { certificate: 'cert of a file', key: 'inline key' });
  });

  test('a token file counts before a token, and is read again when it was refused', async () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('token'), 'first\n');
    const text = kubeconfig({ user: { token: 'inline', tokenFile: 'token' } });
    const access = kubeconfigAccess(chooseFromKubeconfigs([{ path: folder.join('config'), text }]));
    writeFileSync(folder.join('token'), 'second\n');
    assert.deepEqual(await access.credential(), { token: 'first' });
    access.refresh({ token: 'first' });
    assert.deepEqual(await access.credential(), { token: 'second' });
  });

  test('user and password, and impersonation, are said', async () => {
    const user = { username: 'u', password: 'p', as: 'jane', 'as-uid': '7', 'as-groups': ['a', 'b'], 'as-user-extra': { 'x/y': ['1'] } };
    const access = kubeconfigAccess(choose({ user }));
    assert.deepEqual(await access.credential(), { basic: { username: 'u', password: 'p' } });
    const headers = {
      'impersonate-user': 'jane',
      'impersonate-uid': '7',
      'impersonate-group': ['a', 'b'],
      'impersonate-extra-x%2Fy': ['1'],
    };
    assert.deepEqual(access.headers, headers);
  });

  test('a file that is missing is named', () => {
    assert.throws(() => kubeconfigAccess(choose({ user: { tokenFile: '/none/here' } })), { code: 'unreadable', message: /\/none\/here/ });
  });
});
