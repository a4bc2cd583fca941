import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { ApiServerClient } from '../../kube/index.ts';
import { isPair, isSignedByOne, makeAuthority, readCertificate } from '../../pki/index.ts';
import { answerJson, answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { parseCommandLine } from '../command-line.ts';
import { makeObserverCertificate, writeObserverCertificate } from './observer-certificate.ts';

const DAY_MS = 24 * 3_600_000;
const WISH = { namespace: 'sluice-system', name: 'ann', days: 2 };

describe('a certificate for who asks for flows', () => {
  const cleanUp = new AsyncDisposableStack();
  let client: ApiServerClient;
  let secret: object | undefined;
  before(async () => {
    const server = cleanUp.use(
      await ScriptedApiServer.start((_, response) => {
        if (secret) answerJson(response, 200, secret);
        else answerStatus(response, 404, 'not found');
      }),
    );
    const opened = server.client();
    cleanUp.defer(() => opened.close());
    client = opened;
  });
  after(() => cleanUp.disposeAsync());

  test('is signed by the authority of the cluster, for as long as is asked, and its key is its owner’s', async () => {
    const authority = await makeAuthority();
    const data = { 'ca.crt': btoa(authority.certificate), 'ca.key': btoa(authority.privateKey) };
    secret = { metadata: { resourceVersion: '1' }, type: 'sluice.io/ca', data };
    const made = await makeObserverCertificate(client, WISH);
    assert.ok(isPair(made.certificate, made.privateKey) && isSignedByOne(made.certificate, made.authorities));
    const { spiffeId, dnsNames, notAfter } = readCertificate(made.certificate);
    assert.deepEqual([spiffeId, dnsNames], ['spiffe://sluice.io/observer/ann', []]);
    assert.ok(Math.abs(notAfter.getTime() - Date.now() - 2 * DAY_MS) < 60_000);
    using folder = new TemporaryFolder();
    const { key } = writeObserverCertificate(folder.join('new'), 'ann', made);
    writeObserverCertificate(folder.join('new'), 'ann', made);
    assert.equal(statSync(key).mode & 0o777, 0o600);
  });

  test('replaces no authorities that somebody else has put there', () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('ca.crt'), 'others');
    const made = { certificate: 'certificate', privateKey: 'key', authorities: 'ours' };
    assert.throws(() => writeObserverCertificate(folder.path, 'ann', made), {
      name: 'CliError',
      message: /ca\.crt holds other authorities/,
    });
    assert.deepEqual(readdirSync(folder.path), ['ca.crt']);
  });

  test('is refused where it cannot be', async () => {
    await assert.rejects(makeObserverCertificate(client, { ...WISH, name: '../controller' }), { name: 'CliError', code: 'usage' });
    await assert.rejects(makeObserverCertificate(client, { ...WISH, name: 'ca' }), { code: 'usage', message: /^ca\.crt is the file/ });
    secret = undefined;
    await assert.rejects(makeObserverCertificate(client, WISH), { name: 'CliError', message: /^there is no Secret sluice-ca/ });
    secret = { metadata: { resourceVersion: '1' }, type: 'Opaque', data: {} };
    await assert.rejects(makeObserverCertificate(client, WISH), { name: 'CliError', message: /is not of type sluice\.io\/ca$/ });
    await assert.rejects(parseCommandLine(['certificate', 'ann', '--days', '91']), {
      name: 'CliError',
      message: /--days must be a number from 1 to 90/,
    });
  });
});
