import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { makeCertificate } from '../testkit/make-certificate.ts';
import {
  CONTROLLER_ID,
  controllerProfile,
  isNodeName,
  isPair,
  isSignedByOne,
  issueCertificate,
  issueWithKey,
  makeAuthority,
  makeSigningRequest,
  nodeId,
  nodeNameOf,
  nodeProfile,
  PkiError,
  type Profile,
  readCertificate,
  readSigningRequest,
  renewalTime,
  splitBundle,
} from './index.ts';

const HOUR_MS = 3_600_000;
const now = new Date('2030-01-01T00:00:00Z');

function hasCode(code: string) {
  return (error: unknown) => error instanceof PkiError && error.code === code;
}

describe('a certificate', () => {
  test('of a node says which node it is, and no more', async () => {
    const authority = await makeAuthority({ now });
    const { request, privateKey } = await makeSigningRequest();
    const certificate = await issueCertificate(authority, await readSigningRequest(request), nodeProfile('node-1.example'), now);
    const { dnsNames, spiffeId, notBefore, notAfter } = readCertificate(certificate);
    assert.deepEqual(
      { dnsNames, spiffeId, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() },
      {
        dnsNames: [],
        spiffeId: 'spiffe://sluice.io/node/node-1.example',
        notBefore: '2029-12-31T22:55:00.000Z',
        notAfter: '2030-01-02T00:00:00.000Z',
      },
    );
    const { ca, keyUsage, publicKey } = new X509Certificate(certificate);
    assert.equal(ca, false);
    assert.deepEqual(keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(isPair(certificate, privateKey));
    assert.ok(isSignedByOne(certificate, authority.certificate));
  });

  test('of a controller serves, by the names of its Service', async () => {
    const { certificate, privateKey } = await issueWithKey(await makeAuthority({ now }), controllerProfile(), now);
    const { dnsNames, spiffeId } = readCertificate(new X509Certificate(certificate).raw);
    assert.deepEqual(dnsNames, ['sluice-controller.sluice-system.svc', 'sluice-controller']);
    assert.equal(spiffeId, CONTROLLER_ID);
    assert.deepEqual(new X509Certificate(certificate).keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.equal(createPrivateKey(privateKey).asymmetricKeyType, 'ec');
  });

  test('is over no later than its authority', async () => {
    const authority = await makeAuthority({ now, lifetimeMs: HOUR_MS });
    const { certificate } = await issueWithKey(authority, nodeProfile('a'), now);
    const { notBefore, notAfter } = readCertificate(certificate);
    const of = readCertificate(authority.certificate);
    assert.deepEqual([notBefore, notAfter], [of.notBefore, of.notAfter]);
    await assert.rejects(issueWithKey(authority, nodeProfile('a'), new Date(now.getTime() + HOUR_MS)), hasCode('authority-expired'));
  });

  test('that has several URIs, or one of another scheme, has no SPIFFE id', async () => {
    const authority = await makeAuthority();
    const profile: Profile = { ...nodeProfile('a'), uris: [nodeId('a'), nodeId('b')] };
    assert.equal(readCertificate((await issueWithKey(authority, profile)).certificate).spiffeId, undefined);
    const other: Profile = { ...nodeProfile('a'), uris: ['https://sluice.io/node/a'] };
    assert.equal(readCertificate((await issueWithKey(authority, other)).certificate).spiffeId, undefined);
    assert.equal(readCertificate(makeCertificate({ names: ['a.example'] }).certificate).spiffeId, undefined);
  });

  test('cannot sign others', async () => {
    const authority = await makeAuthority();
    const leaf = await issueWithKey(authority, nodeProfile('a'));
    const forged = await issueWithKey(leaf, nodeProfile('b'));
    assert.equal(isSignedByOne(forged.certificate, authority.certificate), false);
    assert.equal(new X509Certificate(forged.certificate).checkIssued(new X509Certificate(leaf.certificate)), false);
  });

  test('is not signed by an authority whose key is another', async () => {
    const [one, other] = await Promise.all([makeAuthority(), makeAuthority()]);
    await assert.rejects(issueWithKey({ ...one, privateKey: other.privateKey }, nodeProfile('a')), hasCode('key-mismatch'));
    await assert.rejects(issueWithKey({ ...one, privateKey: 'secret words' }, nodeProfile('a')), (error: Error) => {
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /secret words/);
      return true;
    });
    const { certificate } = await issueWithKey(one, nodeProfile('a'));
    assert.equal(isSignedByOne(certificate, other.certificate), false);
    assert.equal(isSignedByOne(certificate, `# two\n${other.certificate}\n${one.certificate}`), true);
    assert.equal(splitBundle(`${other.certificate}${one.certificate}`).length, 2);
  });
});

describe('a signing request', () => {
  test('names nobody', async () => {
    const { request } = await makeSigningRequest();
    assert.equal(Buffer.from(request, 'latin1').includes('sluice'), false);
  });

  const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 } as const;
  const P384 = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' } as const;
  for (const algorithm of [RSA, P384, { name: 'Ed25519' } as const]) {
    test(`for a key of ${algorithm.name} ${'namedCurve' in algorithm ? algorithm.namedCurve : ''} is refused`, async () => {
      const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      assert.ok('privateKey' in keys);
      const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm });
      await assert.rejects(readSigningRequest(request.toString('pem')), hasCode('unsuitable-key'));
    });
  }

  test('that asks for names, usages and an authority gets none of them', async () => {
    const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
    const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
    const extensions = [
      new SubjectAlternativeNameExtension([
        { type: 'url', value: CONTROLLER_ID },
        { type: 'dns', value: 'sluice-controller' },
      ]),
      new BasicConstraintsExtension(true, 2, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ];
    const greedy = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm, name: 'CN=controller', extensions });
    const authority = await makeAuthority();
    const request = await readSigningRequest(greedy.toString('pem'));
    const certificate = await issueCertificate(authority, request, nodeProfile('node-1'));
    const { spiffeId, dnsNames } = readCertificate(certificate);
    assert.deepEqual([spiffeId, dnsNames], [nodeId('node-1'), []]);
    const { ca, keyUsage, subject } = new X509Certificate(certificate);
    assert.deepEqual([ca, keyUsage, subject], [false, ['1.3.6.1.5.5.7.3.2'], undefined]);
  });

  test('that somebody else signed is refused', async () => {
    const { request } = await makeSigningRequest();
    const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' });
    const der = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
    const point = other.subarray(-64);
    const at = der.indexOf(other.subarray(0, -64)) + other.length - 64;
    point.copy(der, at);
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    await assert.rejects(readSigningRequest(pem), hasCode('not-in-possession'));
  });

  const BLOCK = (content: string) => `-----BEGIN CERTIFICATE REQUEST-----\n${content}\n-----END CERTIFICATE REQUEST-----\n`;
  for (const [what, pem] of [
    ['nothing', ''],
    ['no DER', BLOCK('AAAA')],
    ['a block of another kind', makeCertificate().certificate],
    ['too much', BLOCK('A'.repeat(20_000))],
  ] as const) {
    test(`that is ${what} is refused`, async () => {
      await assert.rejects(readSigningRequest(pem), hasCode('malformed-request'));
    });
  }
});

describe('names', () => {
  for (const name of ['a', 'node-1', '10.0.0.1', 'ip-10-0-0-1.eu.compute.internal']) {
    test(`${name} is a node's`, () => assert.equal(nodeNameOf(nodeId(name)), name));
  }
  for (const name of ['', '-a', 'a-', 'A', 'a/b', '..', 'a..b', 'a b', 'é', 'a%2fb', 'a'.repeat(254)]) {
    test(`${JSON.stringify(name.slice(0, 8))} is none`, () => {
      assert.equal(isNodeName(name), false);
      assert.equal(nodeNameOf(nodeId(name)), undefined);
    });
  }
  test('a controller is no node', () => assert.equal(nodeNameOf(CONTROLLER_ID), undefined));
});

test('a certificate is renewed when up to two thirds of its life are over', () => {
  const life = { notBefore: new Date(0), notAfter: new Date(3_000) };
  assert.equal(renewalTime(life, 0), 2_000);
  assert.equal(renewalTime(life, 1), 1_700);
  for (let times = 0; times < 100; times++) assert.ok(renewalTime(life) > 1_699 && renewalTime(life) <= 2_000);
});
