import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { inClusterAccess } from './in-cluster.ts';

const ENVIRONMENT = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };

function serviceAccount(): TemporaryFolder {
  const folder = new TemporaryFolder();
  writeFileSync(folder.join('token'), 'first\n');
  writeFileSync(folder.join('ca.crt'), 'authority\n');
  return folder;
}

describe('the access of a pod', () => {
  test('is there where the environment and the token are', () => {
    using folder = serviceAccount();
    assert.deepEqual(inClusterAccess(ENVIRONMENT, folder.path)?.cluster(), { server: 'https://10.0.0.1:6443', authority: 'authority' });
    assert.equal(inClusterAccess({}, folder.path), undefined);
    assert.equal(inClusterAccess(ENVIRONMENT, folder.join('none')), undefined);
  });

  test('an IPv6 address gets its brackets', () => {
    using folder = serviceAccount();
    const access = inClusterAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder.path);
    assert.equal(access?.cluster().server, 'https://[fd00::1]:443');
  });

  test('a token that was replaced is read when the former is refused; one that is away for a moment stays', async () => {
    using folder = serviceAccount();
    const access = inClusterAccess(ENVIRONMENT, folder.path);
    writeFileSync(folder.join('token'), 'second\n');
    assert.deepEqual(await access?.credential(), { token: 'first' });
    access?.refresh({});
    assert.deepEqual(await access?.credential(), { token: 'second' });
    rmSync(folder.join('token'));
    access?.refresh({});
    assert.deepEqual(await access?.credential(), { token: 'second' });
  });
});
