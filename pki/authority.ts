import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKeyType,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { PkiError } from './error.ts';
import { ALGORITHM, decodePrivateKey, encodePrivateKey, generateKeys, isPair } from './keys.ts';
import { backdateOf, DAY_MS, type Profile } from './profile.ts';
import type { SigningRequest } from './signing-request.ts';

/** A certificate and its key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  /** PKCS #8. */
  readonly privateKey: string;
}

/** One that can sign others. */
export type Authority = KeyedCertificate;

export interface AuthorityOptions {
  /** Default `Sluice authority`. Some digits of its key follow, so that no two authorities have the same name. */
  readonly commonName?: string;
  /** In milliseconds. Default 10 years. */
  readonly lifetimeMs?: number;
  /** As of a profile. */
  readonly backdateMs?: number;
  readonly now?: Date;
}

const DEFAULT_LIFETIME_MS = 3653 * DAY_MS;
const NAME_DIGITS = 8;
const USAGES = {
  client: [ExtendedKeyUsage.clientAuth],
  server: [ExtendedKeyUsage.serverAuth],
  both: [ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth],
} as const satisfies Record<Profile['usage'], readonly ExtendedKeyUsage[]>;

/** An authority signed by itself, whose certificates can sign nothing. */
export async function makeAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const { commonName = 'Sluice authority', lifetimeMs = DEFAULT_LIFETIME_MS, backdateMs, now = new Date() } = options;
  const keys = await generateKeys();
  const keyId = await SubjectKeyIdentifierExtension.create(keys.publicKey);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity({ lifetimeMs, ...(backdateMs !== undefined && { backdateMs }) }, now),
    name: `CN=${commonName} ${keyId.keyId.slice(0, NAME_DIGITS)}`,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true), keyId],
  });
  return { certificate: encodePem(certificate), privateKey: await encodePrivateKey(keys.privateKey) };
}

/**
 * Signs a certificate for the key of a request that was checked. It ends no later than the authority's.
 * @returns PEM
 * @throws PkiError if the authority is damaged or `authority-expired`
 * @see https://www.rfc-editor.org/rfc/rfc5280
 */
export async function issueCertificate(
  authority: Authority,
  { publicKey }: Pick<SigningRequest, 'publicKey'>,
  profile: Profile,
  now = new Date(),
): Promise<string> {
  return sign(authority, publicKey, profile, now);
}

/** Makes a key and a certificate for it. Throws as `issueCertificate` does. */
export async function issueWithKey(authority: Authority, profile: Profile, now = new Date()): Promise<KeyedCertificate> {
  const keys = await generateKeys();
  const certificate = await sign(authority, keys.publicKey, profile, now);
  return { certificate, privateKey: await encodePrivateKey(keys.privateKey) };
}

async function sign(authority: Authority, publicKey: PublicKeyType, profile: Profile, now: Date): Promise<string> {
  const issuer = readIssuer(authority);
  if (issuer.notAfter <= now) throw new PkiError('authority-expired', `the authority's certificate ended ${issuer.notAfter.toISOString()}`);
  const { notBefore, notAfter } = validity(profile, now);
  const names = [
    ...profile.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...profile.uris.map((value) => ({ type: 'url' as const, value })),
  ];
  const certificate = await X509CertificateGenerator.create({
    notBefore: notBefore < issuer.notBefore ? issuer.notBefore : notBefore,
    notAfter: notAfter > issuer.notAfter ? issuer.notAfter : notAfter,
    subject: profile.commonName === '' ? '' : [{ CN: [profile.commonName] }],
    issuer: issuer.subjectName,
    publicKey,
    signingKey: decodePrivateKey(authority.privateKey),
    signingAlgorithm: ALGORITHM,
    extensions: [
      // The names are all that says who it is where there is no subject (RFC 5280, 4.2.1.6).
      new SubjectAlternativeNameExtension(names, profile.commonName === ''),
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([...USAGES[profile.usage]]),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return encodePem(certificate);
}

/** @throws PkiError `malformed-certificate` or `key-mismatch` */
function readIssuer({ certificate, privateKey }: Authority): X509Certificate {
  if (!isPair(certificate, privateKey)) throw new PkiError('key-mismatch', "the authority's key does not belong to its certificate");
  return new X509Certificate(certificate);
}

/** Certificates count in whole seconds. */
function validity(profile: Pick<Profile, 'lifetimeMs' | 'backdateMs'>, now: Date): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now.getTime() - backdateOf(profile)), notAfter: new Date(now.getTime() + profile.lifetimeMs) };
}

/** With the end of its last line, so that a bundle is made by putting certificates one after the other. */
function encodePem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
