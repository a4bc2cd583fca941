import { createPrivateKey, X509Certificate as NodeCertificate, type webcrypto } from 'node:crypto';
import { PkiError } from './error.ts';

/** ECDSA on P-256 with SHA-256: the one algorithm of all keys, so that nothing has to be negotiated or judged. */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** PEM, PKCS #8. */
export async function encodePrivateKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString();
}

/**
 * @param pem PKCS #8 or SEC 1
 * @throws PkiError `malformed-key`
 */
export function decodePrivateKey(pem: string): webcrypto.CryptoKey {
  try {
    return createPrivateKey(pem).toCryptoKey(ALGORITHM, true, ['sign']);
  } catch {
    throw new PkiError('malformed-key', 'not a PEM private key on P-256');
  }
}

/** Whether both are the halves of one pair. Takes PEM; what is no key or certificate is no half of anything. */
export function isPair(certificate: string, privateKey: string): boolean {
  try {
    return new NodeCertificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}
