import { tryReadCertificate } from './read-certificate.ts';

/** Why somebody is not served who has a certificate, or has none. */
export interface ClientRefusal {
  readonly refused: 'unauthenticated' | 'permission-denied';
  readonly message: string;
}

export interface AllowedClients {
  /** SPIFFE ids; one that ends with `/*` is of all below. */
  readonly clients: readonly string[];
  /** What they may, for who may not: `ask for flows`. */
  readonly may: string;
  /** The setting that says so. */
  readonly setting: string;
}

/** Whoever asks is who its certificate names, and is to be one of these. @returns its SPIFFE id */
export function identifyClient({ clients, may, setting }: AllowedClients) {
  return (certificate: { readonly raw: Buffer } | undefined): string | ClientRefusal => {
    const spiffeId = certificate && tryReadCertificate(certificate.raw)?.spiffeId;
    if (spiffeId === undefined) return { refused: 'unauthenticated', message: 'a certificate with a SPIFFE id is required' };
    if (clients.some((client) => isOf(spiffeId, client))) return spiffeId;
    return { refused: 'permission-denied', message: `${spiffeId} may not ${may}: see the setting ${setting}` };
  };
}

function isOf(spiffeId: string, client: string): boolean {
  return client.endsWith('/*') ? spiffeId.startsWith(client.slice(0, -1)) : spiffeId === client;
}
