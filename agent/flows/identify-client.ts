import { tryReadCertificate } from '../../pki/index.ts';
import type { Identify } from '../../xds-server/serve/index.ts';

/**
 * Whoever asks for flows is who its certificate names, and is to be one of these.
 * @param clients SPIFFE ids; one that ends with `/*` is of all below
 */
export function identifyClient(clients: readonly string[]): Identify {
  return (certificate) => {
    const spiffeId = certificate && tryReadCertificate(certificate.raw)?.spiffeId;
    if (spiffeId === undefined) return { refused: 'unauthenticated', message: 'a certificate with a SPIFFE id is required' };
    if (clients.some((client) => isOf(spiffeId, client))) return spiffeId;
    return { refused: 'permission-denied', message: `${spiffeId} may not ask for flows: see the setting flows.clients` };
  };
}

function isOf(spiffeId: string, client: string): boolean {
  return client.endsWith('/*') ? spiffeId.startsWith(client.slice(0, -1)) : spiffeId === client;
}
