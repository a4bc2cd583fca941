import { nodeNameOf, tryReadCertificate } from '../../pki/index.ts';
import type { Identify } from '../../xds-server/serve/index.ts';

/** A client is the node that its certificate names, and nobody else is served. */
export const identifyNode: Identify = (certificate) => {
  const spiffeId = certificate && tryReadCertificate(certificate.raw)?.spiffeId;
  if (spiffeId === undefined) return { refused: 'unauthenticated', message: 'a certificate with a SPIFFE id is required' };
  return nodeNameOf(spiffeId) ?? { refused: 'permission-denied', message: `${spiffeId} is not a node` };
};
