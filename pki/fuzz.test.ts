import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isSignedByOne,
  issueWithKey,
  makeAuthority,
  makeSigningRequest,
  nodeProfile,
  PkiError,
  readCertificate,
  readSigningRequest,
} from './index.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 500);
const label = 'CERTIFICATE REQUEST';

const mutations = fc.record({
  at: fc.nat({ max: 10_000 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  cut: fc.integer({ min: 0, max: 400 }),
});

function mutate(der: Buffer, { at, bytes, cut }: { readonly at: number; readonly bytes: Uint8Array; readonly cut: number }): Buffer {
  const mutated = Buffer.from(der);
  mutated.set(bytes, at % (der.length - bytes.length));
  return cut > 300 ? mutated.subarray(0, mutated.length - (cut - 300)) : mutated;
}

test('whatever a certificate is made of, it is read or refused', async () => {
  const { certificate } = await issueWithKey(await makeAuthority(), nodeProfile('a'));
  const der = Buffer.from(certificate.replace(/-----.*-----/g, ''), 'base64');
  let refused = 0;
  fc.assert(
    fc.property(mutations, (mutation) => {
      try {
        readCertificate(mutate(der, mutation));
      } catch (error) {
        refused++;
        assert.ok(error instanceof PkiError);
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(refused > RUNS / 10, `${refused} of ${RUNS}`);
});

test('a signing request that was tampered with is refused, or is still for the same key', async () => {
  const { request } = await makeSigningRequest();
  const original = await readSigningRequest(request);
  const der = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(mutations, async (mutation) => {
      const mutated = mutate(der, mutation);
      fc.pre(!mutated.equals(der));
      const pem = `-----BEGIN ${label}-----\n${mutated.toString('base64')}\n-----END ${label}-----\n`;
      const outcome = await readSigningRequest(pem).catch((error: unknown) => error);
      if (outcome instanceof PkiError) refused++;
      else assert.deepEqual(outcome, original);
    }),
    { numRuns: RUNS },
  );
  assert.ok(refused >= RUNS * 0.9, `${refused} of ${RUNS}`);
});

test('a signing request with any one byte replaced is refused, or is still for the same key', async () => {
  const { request } = await makeSigningRequest();
  const original = await readSigningRequest(request);
  const der = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
  let refused = 0;
  for (let at = 0; at < der.length; at += 1) {
    for (const byte of [0x00, 0x06, 0x30, 0x32, 0xff]) {
      const mutated = Buffer.from(der);
      mutated[at] = byte;
      const pem = `-----BEGIN ${label}-----\n${mutated.toString('base64')}\n-----END ${label}-----\n`;
      const outcome = await readSigningRequest(pem).catch((error: unknown) => error);
      if (outcome instanceof PkiError) refused += 1;
      else assert.deepEqual(outcome, original, `byte ${at} as ${byte}`);
    }
  }
  assert.ok(refused > 4 * der.length, `${refused}`);
});

test('text is never read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 500 }), async (text) => {
      assert.throws(() => readCertificate(text), PkiError);
      await assert.rejects(readSigningRequest(text), PkiError);
    }),
    { numRuns: RUNS },
  );
});

test('what stands beside an authority in a bundle takes nothing from it', async () => {
  const authority = await makeAuthority();
  const { certificate } = await issueWithKey(authority, nodeProfile('a'));
  const der = Buffer.from(authority.certificate.replace(/-----.*-----/g, ''), 'base64');
  const neighbour = fc.oneof(
    fc.string({ maxLength: 60 }),
    mutations.map((mutation) => `-----BEGIN CERTIFICATE-----\n${mutate(der, mutation).toString('base64')}\n-----END CERTIFICATE-----\n`),
  );
  fc.assert(
    fc.property(neighbour, neighbour, (before, after) => {
      assert.ok(isSignedByOne(certificate, `${before}\n${authority.certificate}${after}`));
      isSignedByOne(before, after);
    }),
    { numRuns: RUNS },
  );
});
