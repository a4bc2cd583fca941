import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface CertificateOptions {
  /** DNS names of the subject alternative name; none leaves the extension out. */
  readonly names?: readonly string[];
  readonly keys?: KeyPair;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** First byte of the key usage bits; absent for no such extension. */
  readonly keyUsage?: number;
  readonly mustStaple?: boolean;
  readonly issuer?: MadeCertificate;
  readonly commonName?: string;
}

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface MadeCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  readonly keys: KeyPair;
  readonly commonName: string;
}

const DAY_MS = 24 * 3_600_000;

/** An elliptic key on P-256 or the named curve. */
export function ellipticKeys(namedCurve = 'prime256v1'): KeyPair {
  return generateKeyPairSync('ec', { namedCurve });
}

/** An X.509 certificate, signed by itself unless it has an issuer. */
export function makeCertificate(options: CertificateOptions = {}): MadeCertificate {
  const keys = options.keys ?? ellipticKeys();
  const commonName = options.commonName ?? 'test';
  const signer = options.issuer?.keys ?? keys;
  const algorithm = signatureAlgorithm(signer.privateKey);
  const body = sequence(
    tagged(0xa0, integer(2)),
    tagged(0x02, Buffer.concat([Buffer.of(0x01), randomBytes(8)])),
    algorithm.identifier,
    distinguishedName(options.issuer?.commonName ?? commonName),
    sequence(time(options.notBefore ?? new Date(Date.now() - DAY_MS)), time(options.notAfter ?? new Date(Date.now() + 30 * DAY_MS))),
    distinguishedName(commonName),
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(options))),
  );
  const signature = sign(algorithm.digest, body, signer.privateKey);
  const der = sequence(body, algorithm.identifier, tagged(0x03, Buffer.concat([Buffer.of(0), signature])));
  const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certificate: pem('CERTIFICATE', der), privateKey, keys, commonName };
}

export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function extensions({ names = [], keyUsage, mustStaple = false }: CertificateOptions): readonly Buffer[] {
  const list = [extension('551d0e', tagged(0x04, createHash('sha1').update(names.join()).digest()))];
  if (names.length > 0) list.push(extension('551d11', sequence(...names.map((name) => tagged(0x82, Buffer.from(name, 'latin1'))))));
  if (keyUsage !== undefined) list.push(extension('551d0f', tagged(0x03, Buffer.of(0, keyUsage)), true));
  if (mustStaple) list.push(extension('2b06010505070118', sequence(integer(5))));
  return list;
}

function extension(objectId: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [tagged(0x01, Buffer.of(0xff))] : [];
  return sequence(oid(objectId), ...flag, tagged(0x04, value));
}

interface SignatureAlgorithm {
  readonly identifier: Buffer;
  readonly digest: 'sha256' | null;
}

function signatureAlgorithm(key: KeyObject): SignatureAlgorithm {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { identifier: sequence(oid('2a864886f70d01010b'), Buffer.of(0x05, 0x00)), digest: 'sha256' };
    case 'ec':
      return { identifier: sequence(oid('2a8648ce3d040302')), digest: 'sha256' };
    case 'ed25519':
      return { identifier: sequence(oid('2b6570')), digest: null };
    case 'ed448':
      return { identifier: sequence(oid('2b6571')), digest: null };
    default:
      throw new TypeError(`no signature algorithm for ${key.asymmetricKeyType}`);
  }
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid('550403'), tagged(0x0c, Buffer.from(commonName)))));
}

/** Seconds only: GeneralizedTime has no fraction in certificates. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const year = date.getUTCFullYear();
  return year < 2050 ? tagged(0x17, Buffer.from(`${text.slice(2)}Z`)) : tagged(0x18, Buffer.from(`${text}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function integer(value: number): Buffer {
  return tagged(0x02, Buffer.of(value));
}

function oid(content: string): Buffer {
  return tagged(0x06, Buffer.from(content, 'hex'));
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...header), content]);
}
