import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCertificateRequest } from '../../kube/certificates/index.ts';
import { isNodeName, makeAuthority, makeSigningRequest, nodeId, nodeNameOf } from '../../pki/index.ts';
import { AuthorityObjects } from './authority-objects.ts';
import { encodeAuthority } from './authority-state.ts';
import { judgeNodeRequest } from './judge-node-request.ts';
import { NODE_SIGNER } from './node-signer.ts';
import { TrustError } from './trust-error.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 500);
const NODE_NAME = 'authentication.kubernetes.io/node-name';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, '', [], {}, { toString: 1 }));

test('whatever a CertificateSigningRequest says, only an agent on one node is signed for, as that node', async () => {
  const { request } = await makeSigningRequest();
  const right = {
    request: base64(request),
    signerName: NODE_SIGNER.signerName,
    usages: ['client auth', 'digital signature'],
    username: NODE_SIGNER.agentUsername,
    extra: { [NODE_NAME]: ['node-1'] },
  };
  const names = fc.array(fc.constantFrom('node-1', 'node-2', '../controller', 'a/b', 'A', '', 'x'.repeat(300)), { maxLength: 2 });
  const change = fc.record(
    {
      request: fc.oneof(odd, fc.string().map(base64), fc.constantFrom(base64('A'.repeat(1_000_000)))),
      signerName: fc.oneof(odd, fc.constant('kubernetes.io/kube-apiserver-client')),
      usages: fc.oneof(odd, fc.subarray(['client auth', 'digital signature', 'server auth', 'cert sign'])),
      username: fc.oneof(odd, fc.constantFrom('system:serviceaccount:other:sluice-agent', 'system:admin')),
      extra: fc.oneof(
        odd,
        names.map((values) => ({ [NODE_NAME]: values })),
      ),
      status: odd,
    },
    { requiredKeys: [] },
  );
  const verdicts: Record<string, number> = { unread: 0, sign: 0, refuse: 0, leave: 0 };
  const few = fc
    .tuple(change, fc.subarray([...Object.keys(right), 'status'], { maxLength: 2 }))
    .map(([all, kept]) => Object.fromEntries(Object.entries(all).filter(([field]) => kept.includes(field))));
  await fc.assert(
    fc.asyncProperty(few, async ({ status, ...changes }) => {
      const object = {
        metadata: { name: 'a', resourceVersion: '1' },
        spec: { ...right, ...changes },
        ...(status !== undefined && { status }),
      };
      const read = readCertificateRequest(object);
      const judged = read && (await judgeNodeRequest(read, NODE_SIGNER));
      const verdict = judged?.verdict ?? 'unread';
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      if (judged?.verdict !== 'sign') return;
      assert.deepEqual(object.spec.extra[NODE_NAME], [judged.nodeName]);
      assert.ok(isNodeName(judged.nodeName));
      assert.equal(object.spec.username, NODE_SIGNER.agentUsername);
      const usages = ['client auth', 'digital signature', ...(judged.serves ? ['server auth'] : [])];
      assert.deepEqual([...object.spec.usages].sort(), usages);
    }),
    { numRuns: RUNS },
  );
  for (const [verdict, count] of Object.entries(verdicts)) assert.ok(count > 0, `${verdict}: ${JSON.stringify(verdicts)}`);
});

test('a SPIFFE id is that of a node in one way only', () => {
  const id = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `spiffe://sluice.io/node/${rest}`),
    fc.constantFrom(
      'spiffe://sluice.io/node/a/',
      'spiffe://sluice.io/node/%61',
      'SPIFFE://sluice.io/node/a',
      'spiffe://sluice.io.evil/node/a',
    ),
  );
  fc.assert(
    fc.property(id, (text) => {
      const name = nodeNameOf(text);
      assert.ok(name === undefined || (nodeId(name) === text && isNodeName(name)));
    }),
    { numRuns: RUNS },
  );
});

test('whatever the Secret is, there is an authority or a TrustError, which holds nothing of it', async () => {
  const [current, next] = await Promise.all([makeAuthority(), makeAuthority()]);
  const good = encodeAuthority({ current, next, previous: next.certificate, since: new Date(0) });
  const encoded = Object.fromEntries(Object.entries(good).map(([key, value]) => [key, base64(value)]));
  const value = fc.oneof(odd, fc.string().map(base64), fc.constantFrom(...Object.values(encoded)), fc.constantFrom(...Object.values(good)));
  const changes = fc.dictionary(fc.constantFrom(...Object.keys(good)), value, { maxKeys: 2 });
  const data = fc.oneof({ weight: 4, arbitrary: changes.map((some) => ({ ...encoded, ...some })) }, { weight: 1, arbitrary: odd });
  const secret = fc.record({
    metadata: fc.constant({ resourceVersion: '1' }),
    type: fc.constantFrom('sluice.io/ca', 'sluice.io/ca', 'Opaque'),
    data,
  });
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 8, arbitrary: secret }, { weight: 1, arbitrary: odd }), async (found) => {
      const client = { request: async () => found, stream: async function* () {}, close: async () => {} };
      // No answer at all is what `undefined` stands for, and JSON has none.
      const outcome = await new AuthorityObjects(client, 'sluice-system').read().catch((error: unknown) => error);
      if (outcome instanceof Error) {
        assert.ok(outcome instanceof TrustError && outcome.code === 'damaged-authority', String(outcome));
        assert.doesNotMatch(`${outcome.stack}${JSON.stringify(outcome)}${outcome.cause}`, /PRIVATE|MIG|LS0t/);
      } else read++;
    }),
    { numRuns: RUNS },
  );
  assert.ok(read > 0 && read < RUNS, `${read} of ${RUNS}`);
});
