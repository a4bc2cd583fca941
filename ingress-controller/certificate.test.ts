import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { secretObject } from '../testkit/kube-objects.ts';
import { ellipticKeys, makeCertificate } from '../testkit/make-certificate.ts';
import { ingestCertificate } from './certificate.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const VALID = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') };
const RSA_2048 = generateKeyPairSync('rsa', { modulusLength: 2048 });

function ingestPair(pair: { certificate: string; privateKey: string }, type?: string) {
  return ingestCertificate(secretObject({ 'tls.crt': pair.certificate, 'tls.key': pair.privateKey }, type), NOW);
}

describe('a usable certificate', () => {
  it('comes out with its names, times and key', () => {
    const made = makeCertificate({ ...VALID, names: ['Shop.example.com', '*.example.org'] });
    const state = ingestPair(made);
    assert(state.state === 'usable');
    assert.deepEqual(state.hosts, ['shop.example.com', '*.example.org']);
    assert.equal(state.notBefore, VALID.notBefore.getTime());
    assert.equal(state.notAfter, VALID.notAfter.getTime());
    assert.deepEqual(state.diagnostics, []);
    assert.equal(state.certificate.name, 'default/web-tls');
    const leaf = new X509Certificate(state.certificate.chain);
    assert(leaf.checkPrivateKey(createPrivateKey(state.certificate.privateKey.reveal())));
  });

  const keys = {
    'RSA 2048': RSA_2048,
    'P-256': ellipticKeys(),
    'P-384': ellipticKeys('secp384r1'),
    'P-521': ellipticKeys('secp521r1'),
    Ed25519: generateKeyPairSync('ed25519'),
  };
  for (const [name, pair] of Object.entries(keys)) {
    it(`may have a key of kind ${name}`, () => {
      const state = ingestPair(makeCertificate({ ...VALID, keys: pair }));
      assert.equal(state.state, 'usable');
      assert.deepEqual(state.diagnostics, []);
    });
  }

  it('keeps its chain, leaf first, and nothing that stands between', () => {
    const issuer = makeCertificate({ ...VALID, commonName: 'authority' });
    const leaf = makeCertificate({ ...VALID, issuer });
    const state = ingestPair({ ...leaf, certificate: `Bag Attributes\n${leaf.certificate}${leaf.privateKey}${issuer.certificate}` });
    assert(state.state === 'usable');
    assert.equal(state.certificate.chain, leaf.certificate + issuer.certificate);
  });

  it('may have Windows line ends and keys in the forms of their kinds', () => {
    const made = makeCertificate({ ...VALID });
    const sec1 = made.keys.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
    const crlf = made.certificate.replaceAll('\n', '\r\n');
    assert.equal(ingestPair({ certificate: crlf, privateKey: sec1 }).state, 'usable');
    const pkcs1 = RSA_2048.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    assert.equal(ingestPair({ ...makeCertificate({ ...VALID, keys: RSA_2048 }), privateKey: pkcs1 }).state, 'usable');
  });

  it('may be in a Secret of another type, with a warning', () => {
    const state = ingestPair(makeCertificate({ ...VALID }), 'Opaque');
    assert.equal(state.state, 'usable');
    assert.deepEqual(
      state.diagnostics.map(({ code, path }) => [code, path]),
      [['SecretTypeNotTls', ['type']]],
    );
  });

  const times = [
    { notBefore: '2025-01-01T00:00:00Z', notAfter: '2026-05-31T23:59:59Z', code: 'CertificateExpired' },
    { notBefore: '2026-06-02T00:00:00Z', notAfter: '2027-01-01T00:00:00Z', code: 'CertificateNotYetValid' },
  ];
  for (const { notBefore, notAfter, code } of times) {
    it(`is served outside its time, with ${code}`, () => {
      const state = ingestPair(makeCertificate({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }));
      assert.equal(state.state, 'usable');
      assert.deepEqual(
        state.diagnostics.map((diagnostic) => [diagnostic.code, diagnostic.severity]),
        [[code, 'warning']],
      );
    });
  }
});

describe('an unusable certificate', () => {
  const good = makeCertificate({ ...VALID });
  const encrypted = good.keys.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }).toString();
  const legacy = good.keys.privateKey.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }).toString();
  const brokenChain = `${good.certificate}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`;
  const cases: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
    ['without chain', { 'tls.key': good.privateKey }, /^tls\.crt is missing$/],
    ['without key', { 'tls.crt': good.certificate }, /^tls\.key is missing$/],
    ['without PEM', pair('hello'), /^tls\.crt has no certificate in PEM$/],
    ['with a broken intermediate', pair(brokenChain), /number 2$/],
    ['with the key of another', pair(good.certificate, makeCertificate().privateKey), /does not fit/],
    ['with an encrypted key', pair(good.certificate, encrypted), /^tls\.key is encrypted$/],
    ['with an encrypted key of the old kind', pair(good.certificate, legacy), /^tls\.key is encrypted$/],
    ['with a key that is none', pair(good.certificate, 'swordfish'), /^tls\.key is no private key in PEM$/],
    ['with RSA of 1024 bits', made({ keys: generateKeyPairSync('rsa', { modulusLength: 1024 }) }), /1024 bits/],
    ['with the curve P-224', made({ keys: ellipticKeys('secp224r1') }), /curve/],
    ['with the curve secp256k1', made({ keys: ellipticKeys('secp256k1') }), /curve/],
    ['with Ed448', made({ keys: generateKeyPairSync('ed448') }), /ed448/],
    ['whose elliptic key may not sign', made({ keyUsage: 0x20 }), /digitalSignature/],
    ['that demands OCSP stapling', made({ mustStaple: true }), /OCSP/],
  ];
  for (const [name, data, message] of cases) {
    it(`is one ${name}`, () => {
      const state = ingestCertificate(secretObject(data), NOW);
      assert.equal(state.state, 'unusable');
      assert.equal(state.diagnostics.length, 1);
      assert.equal(state.diagnostics[0]?.code, 'InvalidCertificate');
      assert.match(state.diagnostics[0]?.message ?? '', message);
    });
  }

  it('is none whose key usage fits its key', () => {
    assert.equal(ingestCertificate(secretObject(made({ keyUsage: 0x80 })), NOW).state, 'usable');
    assert.equal(ingestCertificate(secretObject(made({ keyUsage: 0x20, keys: RSA_2048 })), NOW).state, 'usable');
  });

  function pair(certificate: string, privateKey = good.privateKey): Readonly<Record<string, string>> {
    return { 'tls.crt': certificate, 'tls.key': privateKey };
  }

  function made(options: Parameters<typeof makeCertificate>[0]): Readonly<Record<string, string>> {
    const { certificate, privateKey } = makeCertificate({ ...VALID, ...options });
    return pair(certificate, privateKey);
  }
});

describe('key material', () => {
  it('shows in no form of what comes out, except on purpose', () => {
    const { certificate, privateKey } = makeCertificate({ ...VALID });
    const body = privateKey.split('\n')[1] ?? '';
    assert(body.length > 40);
    const states = [
      ingestPair({ certificate, privateKey }),
      ingestPair({ certificate: certificate + privateKey, privateKey }),
      ingestPair({ certificate, privateKey: privateKey.replace('-----BEGIN', 'BEGIN') }),
      ingestPair({ certificate: privateKey, privateKey }),
    ];
    assert.deepEqual(
      states.map(({ state }) => state),
      ['usable', 'usable', 'unusable', 'unusable'],
    );
    for (const state of states) {
      assert(!JSON.stringify(state).includes(body));
      assert(!inspect(state, { depth: 10, showHidden: true }).includes(body));
    }
  });
});
