import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readCertificateRequest } from '../../kube/certificates/index.ts';
import { makeSigningRequest } from '../../pki/index.ts';
import { judgeNodeRequest } from './judge-node-request.ts';
import { NODE_SIGNER } from './node-signer.ts';

const NODE_NAME = 'authentication.kubernetes.io/node-name';

interface Changes {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

async function judge({ spec, status }: Changes) {
  const { request } = await makeSigningRequest();
  const csr = readCertificateRequest({
    metadata: { name: 'a', resourceVersion: '1' },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: NODE_SIGNER.signerName,
      usages: ['client auth', 'digital signature'],
      username: NODE_SIGNER.agentUsername,
      extra: { [NODE_NAME]: ['node-1'] },
      ...spec,
    },
    ...(status && { status }),
  });
  assert.ok(csr);
  return judgeNodeRequest(csr, NODE_SIGNER);
}

describe('a request for the certificate of a node', () => {
  test('is signed for the node that the API server names', async () => {
    const verdict = await judge({});
    assert.deepEqual(verdict.verdict === 'sign' && [verdict.nodeName, verdict.serves], ['node-1', false]);
  });

  test('that is to serve as well is signed for that', async () => {
    const verdict = await judge({ spec: { usages: ['digital signature', 'client auth', 'server auth'] } });
    assert.deepEqual(verdict.verdict === 'sign' && [verdict.nodeName, verdict.serves], ['node-1', true]);
  });

  const REFUSED: readonly (readonly [string, Changes, string])[] = [
    ['another user', { spec: { username: 'system:serviceaccount:sluice-system:other' } }, 'NotAnAgent'],
    ['an agent of another namespace', { spec: { username: 'system:serviceaccount:other:sluice-agent' } }, 'NotAnAgent'],
    ['nobody', { spec: { username: '' } }, 'NotAnAgent'],
    ['a token that is not bound', { spec: { extra: {} } }, 'NotOnANode'],
    ['two nodes', { spec: { extra: { [NODE_NAME]: ['a', 'b'] } } }, 'NotOnANode'],
    ['what is no name', { spec: { extra: { [NODE_NAME]: ['a/../controller'] } } }, 'NotOnANode'],
    ['a server', { spec: { usages: ['digital signature', 'server auth'] } }, 'WrongUsages'],
    ['more usages', { spec: { usages: ['digital signature', 'client auth', 'server auth', 'cert sign'] } }, 'WrongUsages'],
    ['the same usage twice', { spec: { usages: ['client auth', 'client auth'] } }, 'WrongUsages'],
    ['no request', { spec: { request: 'AAAA' } }, 'BadRequest'],
  ];
  for (const [what, changes, reason] of REFUSED) {
    test(`from ${what} is refused`, async () => {
      const verdict = await judge(changes);
      assert.equal(verdict.verdict === 'refuse' && verdict.reason, reason);
    });
  }

  const LEFT: readonly (readonly [string, Changes])[] = [
    ['to another signer', { spec: { signerName: 'kubernetes.io/kube-apiserver-client' } }],
    ['that was denied', { status: { conditions: [{ type: 'Denied', status: 'True' }] } }],
    ['that failed', { status: { conditions: [{ type: 'Failed', status: 'True' }] } }],
    ['that has its certificate', { status: { certificate: 'AAAA' } }],
  ];
  for (const [what, changes] of LEFT) {
    test(`${what} is left alone`, async () => assert.equal((await judge(changes)).verdict, 'leave'));
  }
});
