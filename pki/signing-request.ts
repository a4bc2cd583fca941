import 'reflect-metadata';
import { createPublicKey } from 'node:crypto';
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator, type PublicKey } from '@peculiar/x509';
import { PkiError } from './error.ts';
import { ALGORITHM, encodePrivateKey, generateKeys } from './keys.ts';

/** A request whose sender has proved to hold the key. Whatever names it holds were not looked at. */
export interface SigningRequest {
  readonly publicKey: PublicKey;
}

export interface MadeSigningRequest {
  /** PEM, PKCS #10. It names nobody: whoever signs it knows who asked. */
  readonly request: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
}

/** Ours have 400 bytes; whatever needs more is not ours. */
const MAX_LENGTH = 16 * 1024;
const PEM = /^\s*-----BEGIN CERTIFICATE REQUEST-----\r?\n(?<base64>[A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*$/;

/** A new key and the request to certify it. */
export async function makeSigningRequest(): Promise<MadeSigningRequest> {
  const keys = await generateKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: ALGORITHM });
  return { request: `${request.toString('pem')}\n`, privateKey: await encodePrivateKey(keys.privateKey) };
}

/**
 * Checks a request for a certificate: that it is one, that its key is ECDSA on P-256, and that it is signed with that key.
 * @param pem PKCS #10, one block
 * @throws PkiError `malformed-request`, `unsuitable-key` or `not-in-possession`
 * @see https://www.rfc-editor.org/rfc/rfc2986
 */
export async function readSigningRequest(pem: string): Promise<SigningRequest> {
  const request = decode(pem);
  const { asymmetricKeyType, asymmetricKeyDetails } = decodeKey(request);
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new PkiError('unsuitable-key', 'the key must be ECDSA on P-256');
  }
  if (!(await isSigned(request))) throw new PkiError('not-in-possession', 'the request is not signed with the key that it is for');
  return { publicKey: request.publicKey };
}

function decode(pem: string): Pkcs10CertificateRequest {
  const base64 = pem.length > MAX_LENGTH ? undefined : PEM.exec(pem)?.groups?.['base64'];
  if (base64 === undefined) throw new PkiError('malformed-request', 'not one PEM block of a certificate request');
  try {
    return new Pkcs10CertificateRequest(Buffer.from(base64, 'base64'));
  } catch {
    throw new PkiError('malformed-request', 'not a PKCS #10 certificate request');
  }
}

/** The request reads its key only when it is asked for it. */
function decodeKey(request: Pkcs10CertificateRequest) {
  try {
    return createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  } catch {
    throw new PkiError('unsuitable-key', 'the key cannot be read');
  }
}

async function isSigned(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify();
  } catch {
    return false;
  }
}
