import { generateKeyPairSync, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
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
const DAY_MS = 24 * 3_600_000;
const LIFETIME_DAYS = 3650;

/** A certificate and its key, in PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Who a certificate is for, as Kubernetes reads it: https://kubernetes.io/docs/setup/best-practices/certificates/ */
export interface Subject {
  /** The user. */
  readonly name: string;
  readonly group?: string;
  /** DNS names and addresses that a server has. */
  readonly hosts?: readonly string[];
}

/** A cluster's certificate authority. */
export class Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  readonly #certificate: X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: X509Certificate, key: webcrypto.CryptoKey, privateKey: string) {
    this.#certificate = certificate;
    this.#key = key;
    this.certificate = certificate.toString('pem');
    this.privateKey = privateKey;
  }

  static async make(): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...validity(),
      name: 'CN=lab',
      keys,
      extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
    });
    return new Authority(certificate, keys.privateKey, await exportKey(keys));
  }

  /** A certificate with which its holder may both serve and be a client. */
  async issue({ name, group, hosts = [] }: Subject): Promise<KeyedCertificate> {
    const keys = await generateKeys();
    const names = hosts.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const);
    const certificate = await X509CertificateGenerator.create({
      ...validity(),
      subject: [...(group === undefined ? [] : [{ O: [group] }]), { CN: [name] }],
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      extensions: [
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ],
    });
    return { certificate: certificate.toString('pem'), privateKey: await exportKey(keys) };
  }
}

/** The keys by which tokens of service accounts are signed and verified, in PEM. */
export function makeTokenKeys(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

function validity() {
  const notBefore = new Date(Date.now() - DAY_MS);
  return { notBefore, notAfter: new Date(notBefore.getTime() + LIFETIME_DAYS * DAY_MS), signingAlgorithm: ALGORITHM };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY');
}
