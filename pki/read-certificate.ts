import 'reflect-metadata';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509';
import { PkiError } from './error.ts';

/** What a certificate says. Whether it is to be believed is for whoever verified its chain to know. */
export interface CertificateContent {
  readonly dnsNames: readonly string[];
  /** The one URI of a SPIFFE certificate; undefined where there is none, another scheme, or several, which the standard forbids. */
  readonly spiffeId: string | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * @param certificate PEM, of which the first block counts, or DER
 * @throws PkiError `malformed-certificate`
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md
 */
export function readCertificate(certificate: string | Uint8Array): CertificateContent {
  const content = tryReadCertificate(certificate);
  if (!content) throw new PkiError('malformed-certificate', 'not a certificate');
  return content;
}

/** The same, with undefined for what is no certificate: what is thrown while TLS asks ends the process. */
export function tryReadCertificate(certificate: string | Uint8Array): CertificateContent | undefined {
  try {
    // OpenSSL has the stricter eye, and is who verified the chain; what only one of the two can read is not read.
    const { raw } = new NodeCertificate(certificate);
    const { notBefore, notAfter, extensions } = new X509Certificate(raw);
    const names = [...extensions]
      .filter((extension) => extension instanceof SubjectAlternativeNameExtension)
      .flatMap(({ names }) => names.items);
    const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value);
    const [spiffeId] = uris.length === 1 ? uris.filter((uri) => uri.startsWith('spiffe://')) : [];
    return { dnsNames: names.filter(({ type }) => type === 'dns').map(({ value }) => value), spiffeId, notBefore, notAfter };
  } catch {
    return undefined;
  }
}

/** The PEM blocks of a bundle, without what stands between them. Reads any text. */
export function splitBundle(bundle: string): readonly string[] {
  return bundle.match(BLOCK) ?? [];
}

/** Whether one of the authorities of a bundle signed the certificate; their times do not matter. Takes any text. */
export function isSignedByOne(certificate: string, bundle: string): boolean {
  return splitBundle(bundle).some((block) => isSignedBy(certificate, block));
}

/** What cannot be read signed nothing, and takes nothing from its neighbours in a bundle. */
function isSignedBy(certificate: string, block: string): boolean {
  try {
    const [leaf, authority] = [new NodeCertificate(certificate), new NodeCertificate(block)];
    return leaf.checkIssued(authority) && leaf.verify(authority.publicKey);
  } catch {
    return false;
  }
}
