import type { webcrypto } from 'node:crypto';
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const LIFETIME_DAYS = 30;
const DAY_MS = 24 * 3_600_000;

/** All in PEM. */
export interface DemoCertificate {
  /** The authority, for `curl --cacert`. Its key is thrown away, so it can sign nothing else. */
  readonly authority: string;
  readonly chain: string;
  readonly privateKey: string;
}

/** Makes a certificate for host names that is valid for 30 days from a day ago, whatever the clocks of clients say. */
export async function makeDemoCertificate(hosts: readonly string[]): Promise<DemoCertificate> {
  const [authorityKeys, keys] = await Promise.all([generateKeys(), generateKeys()]);
  const notBefore = new Date(Date.now() - DAY_MS);
  const validity = { notBefore, notAfter: new Date(notBefore.getTime() + LIFETIME_DAYS * DAY_MS), signingAlgorithm: ALGORITHM };
  const authority = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: 'CN=Sluice demo authority',
    keys: authorityKeys,
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
  });
  const leaf: X509Certificate = await X509CertificateGenerator.create({
    ...validity,
    subject: `CN=${hosts[0]}`,
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [
      new SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns', value }))),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    ],
  });
  const privateKey = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { authority: authority.toString('pem'), chain: leaf.toString('pem'), privateKey };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}
