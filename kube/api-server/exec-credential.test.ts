import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ManualClock } from '../../testkit/manual-clock.ts';
import { answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { ApiServerClient } from './api-server-client.ts';
import { ExecCredential } from './exec-credential.ts';
import { chooseFromKubeconfigs, type KubeconfigExec } from './kubeconfig.ts';
import { kubeconfigAccess } from './kubeconfig-access.ts';

const V1 = 'client.authentication.k8s.io/v1';
const V1BETA1 = 'client.authentication.k8s.io/v1beta1';
const CLUSTER = { server: 'https://main:6443', authority: 'pem', serverName: 'other' };

/** A plugin that writes what it was told about, counts its runs and answers a status. */
function plugin(folder: TemporaryFolder, status: object, { apiVersion = V1, fails = false } = {}): KubeconfigExec {
  const program = `
    const fs = require('node:fs');
    fs.appendFileSync(${JSON.stringify(folder.join('runs'))}, 'run ' + process.env.KUBERNETES_EXEC_INFO + '\\n');
    const [count] = [fs.readFileSync(${JSON.stringify(folder.join('runs'))}, 'utf8').split('\\n').length - 1];
    console.log(JSON.stringify(${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}).replace('COUNT', String(count)));
    ${fails ? "console.error('s3cret'); process.exit(7);" : ''}`;
  writeFileSync(folder.join('plugin.cjs'), program);
  return { apiVersion: V1, command: process.execPath, args: [folder.join('plugin.cjs')], provideClusterInfo: true };
}

const runsOf = (folder: TemporaryFolder) => readFileSync(folder.join('runs'), 'utf8').trim().split('\n');

describe('a credential plugin', () => {
  test('runs once for all who ask, and again when what it gave was refused', async () => {
    using folder = new TemporaryFolder();
    const credential = new ExecCredential(plugin(folder, { token: 'token-COUNT' }), CLUSTER);
    assert.deepEqual(await Promise.all([credential.get(), credential.get()]), [{ token: 'token-1' }, { token: 'token-1' }]);
    assert.deepEqual(await credential.get(), { token: 'token-1' });
    credential.refuse({ token: 'token-1' });
    assert.deepEqual(await credential.get(), { token: 'token-2' });
    assert.equal(runsOf(folder).length, 2);
    // Somebody else's request was answered late.
    credential.refuse({ token: 'token-1' });
    assert.deepEqual(await credential.get(), { token: 'token-2' });
  });

  for (const [what, expirationTimestamp] of [
    ['refused', undefined],
    ['over before it is given', new Date(0).toISOString()],
  ] as const) {
    test(`is left alone for longer and longer where everything that it gives is ${what}`, async () => {
      using folder = new TemporaryFolder();
      const clock = new ManualClock();
      const credential = new ExecCredential(plugin(folder, { token: 'token-COUNT', expirationTimestamp }), CLUSTER, clock);
      const runs: number[] = [];
      for (let second = 0; second < 200; second += 1) {
        const given = await credential.get();
        if (expirationTimestamp === undefined) credential.refuse(given);
        runs.push(runsOf(folder).length);
        await clock.pass(1_000);
      }
      assert.deepEqual(
        runs.flatMap((count, second) => (count === runs[second - 1] ? [] : [second])),
        [0, 1, 2, 4, 8, 16, 32, 64, 124, 184],
      );
    });
  }

  test('does not run for each request that a server refuses', async () => {
    using folder = new TemporaryFolder();
    await using server = await ScriptedApiServer.start((_, response) => answerStatus(response, 401, 'Unauthorized'));
    const { url, authority, serverName } = server.https;
    const cluster = { server: url, 'certificate-authority-data': btoa(authority), 'tls-server-name': serverName };
    const user = { exec: plugin(folder, { token: 'token-COUNT' }) };
    const config = {
      clusters: [{ name: 'main', cluster }],
      users: [{ name: 'me', user }],
      contexts: [{ name: 'it', context: { cluster: 'main', user: 'me' } }],
      'current-context': 'it',
    };
    const access = kubeconfigAccess(chooseFromKubeconfigs([{ path: folder.join('config'), text: JSON.stringify(config) }]));
    const client = new ApiServerClient(access);
    const startedAt = performance.now();
    for (let index = 0; index < 20; index += 1) await assert.rejects(client.request({ path: '/version' }), { code: 'unauthorized' });
    await client.close();
    const seconds = (performance.now() - startedAt) / 1_000;
    assert.equal(server.requests.length, 40);
    assert.ok(runsOf(folder).length <= 2 + Math.log2(1 + seconds) + 1, `${runsOf(folder).length} runs in ${seconds} s`);
  });

  test('that fails is left alone too, and says the same again', async () => {
    using folder = new TemporaryFolder();
    const clock = new ManualClock();
    const credential = new ExecCredential(plugin(folder, { token: 'token' }, { fails: true }), CLUSTER, clock);
    for (let attempt = 0; attempt < 5; attempt += 1) await assert.rejects(credential.get(), { code: 'plugin-failed' });
    assert.equal(runsOf(folder).length, 2);
    await clock.pass(1_000);
    await assert.rejects(credential.get(), { code: 'plugin-failed' });
    assert.equal(runsOf(folder).length, 3);
  });

  test('runs at once when what served for long is refused, however often it ran before', async () => {
    using folder = new TemporaryFolder();
    const clock = new ManualClock();
    const credential = new ExecCredential(plugin(folder, { token: 'token-COUNT' }), CLUSTER, clock);
    for (let refusal = 0; refusal < 4; refusal += 1) {
      credential.refuse(await credential.get());
      await clock.pass(10_000);
    }
    const { token } = await credential.get();
    await clock.pass(61_000);
    credential.refuse({ token: token ?? '' });
    assert.notDeepEqual(await credential.get(), { token });
  });

  test('runs again when what it gave is about to expire', async () => {
    using folder = new TemporaryFolder();
    const soon = new Date(Date.now() + 5_000).toISOString();
    const credential = new ExecCredential(plugin(folder, { token: 'token-COUNT', expirationTimestamp: soon }), CLUSTER);
    await credential.get();
    assert.deepEqual(await credential.get(), { token: 'token-2' });
  });

  test('is told which cluster it is for', async () => {
    using folder = new TemporaryFolder();
    const status = { clientCertificateData: 'certificate', clientKeyData: 'key' };
    const credential = new ExecCredential(plugin(folder, status), CLUSTER);
    assert.deepEqual(await credential.get(), { certificate: 'certificate', key: 'key' });
    const info = JSON.parse(runsOf(folder)[0]?.slice('run '.length) ?? '');
    assert.deepEqual([info.apiVersion, info.spec.interactive], [V1, false]);
    const cluster = { server: CLUSTER.server, 'certificate-authority-data': btoa('pem'), 'tls-server-name': 'other' };
    assert.deepEqual(info.spec.cluster, cluster);
  });

  test('may speak the former version', async () => {
    using folder = new TemporaryFolder();
    const exec = plugin(folder, { token: 'token' }, { apiVersion: V1BETA1 });
    assert.deepEqual(await new ExecCredential({ ...exec, apiVersion: V1BETA1 }, CLUSTER).get(), { token: 'token' });
  });

  for (const [what, status, options, code] of [
    ['fails', { token: 's3cret' }, { fails: true }, 'plugin-failed'],
    ['answers another version', { token: 's3cret' }, { apiVersion: V1BETA1 }, 'invalid'],
    ['answers a certificate without its key', { clientCertificateData: 's3cret' }, {}, 'invalid'],
    ['answers no time as the end', { token: 's3cret', expirationTimestamp: 'soon' }, {}, 'invalid'],
  ] as const) {
    test(`that ${what} gives an error without what it said`, async () => {
      using folder = new TemporaryFolder();
      const failure = await new ExecCredential(plugin(folder, status, options), CLUSTER).get().catch((error: unknown) => error);
      assert.ok(failure instanceof Error && 'code' in failure && failure.code === code);
      assert.doesNotMatch(failure.message, /s3cret/);
    });
  }

  test('that does not exist gives an error', async () => {
    const credential = new ExecCredential({ apiVersion: V1, command: '/none/here' }, CLUSTER);
    await assert.rejects(credential.get(), { code: 'plugin-failed', message: /ENOENT/ });
  });
});
