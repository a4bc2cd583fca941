import { type Authority, isPair, readCertificate } from '../../pki/index.ts';
import { TrustError } from './trust-error.ts';

/** The authorities of a cluster: one that signs, and at most one that will or one that did. */
export interface AuthorityState {
  /** Signs. */
  readonly current: Authority;
  /** Is published, and will sign once everybody can be expected to trust it. */
  readonly next?: Authority;
  /** PEM. Signs no more, and is trusted until what it signed is over. */
  readonly previous?: string;
  /** When it came to be as it is. */
  readonly since: Date;
}

/** Decoded; what is in the Secret `sluice-ca`. */
export type AuthorityData = Readonly<Record<string, string>>;

/** PEM of all that are to be trusted. */
export function bundleOf({ current, next, previous }: AuthorityState): string {
  return [current.certificate, next?.certificate, previous]
    .filter((certificate) => certificate !== undefined)
    .map(ended)
    .join('');
}

export function encodeAuthority({ current, next, previous, since }: AuthorityState): AuthorityData {
  return {
    'ca.crt': current.certificate,
    'ca.key': current.privateKey,
    ...(next && { 'next.crt': next.certificate, 'next.key': next.privateKey }),
    ...(previous !== undefined && { 'previous.crt': previous }),
    since: since.toISOString(),
  };
}

/** @throws TrustError `damaged-authority` */
export function decodeAuthority(data: AuthorityData): AuthorityState {
  const current = decodePair(data, 'ca');
  if (!current) throw new TrustError('damaged-authority', 'the Secret has no ca.crt with ca.key');
  const next = decodePair(data, 'next');
  const previous = data['previous.crt'];
  if (previous !== undefined) readTime(previous);
  const since = new Date(data['since'] ?? Number.NaN);
  // Somebody may have brought an authority of their own, and that is all there is to know of it.
  const known = Number.isNaN(since.getTime()) ? readTime(current.certificate) : since;
  return { current, ...(next && { next }), ...(previous !== undefined && { previous }), since: known };
}

function decodePair(data: AuthorityData, name: 'ca' | 'next'): Authority | undefined {
  const certificate = data[`${name}.crt`];
  const privateKey = data[`${name}.key`];
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined || privateKey === undefined || !isPair(certificate, privateKey)) {
    throw new TrustError('damaged-authority', `${name}.crt and ${name}.key of the Secret are not a certificate and its key`);
  }
  return { certificate, privateKey };
}

function readTime(certificate: string): Date {
  try {
    return readCertificate(certificate).notBefore;
  } catch {
    throw new TrustError('damaged-authority', 'the Secret has a certificate that cannot be read');
  }
}

function ended(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
