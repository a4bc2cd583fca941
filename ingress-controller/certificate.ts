import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { quote, refOf, type Secret } from '../kube/index.ts';
import { type Certificate, type Diagnostic, Redacted } from '../model/index.ts';
import { findExtension } from './der.ts';
import { Report } from './report.ts';

/** What a Secret is worth as a certificate. Holds until `asOf` passes a limit of its validity or the Secret changes. */
export type CertificateState =
  | {
      readonly state: 'usable';
      readonly certificate: Certificate;
      /** Milliseconds since 1970. */
      readonly notBefore: number;
      readonly notAfter: number;
      /** The DNS names that it is for, in lower case. */
      readonly hosts: readonly string[];
      readonly diagnostics: readonly Diagnostic[];
    }
  | { readonly state: 'unusable'; readonly diagnostics: readonly Diagnostic[] };

/** A reason to refuse a Secret. It never holds anything of the key. */
type Problem = { readonly key: 'tls.crt' | 'tls.key'; readonly message: string };

/**
 * Reads a Secret of type kubernetes.io/tls and checks all that would make Envoy refuse it. Chain and key are written anew,
 * so that nothing else that stood in them goes further. A certificate out of its time is usable: clients judge that.
 *
 * @see https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
 */
export function ingestCertificate(secret: Secret, asOf: Date): CertificateState {
  const report = new Report(refOf(secret));
  if (secret.type !== 'kubernetes.io/tls') {
    report.add(
      ['type'],
      'SecretTypeNotTls',
      `is ${quote(secret.type ?? 'Opaque')}, where a certificate should be in one of kubernetes.io/tls`,
    );
  }
  const result = readPair(secret);
  if ('message' in result) {
    report.add(['data', result.key], 'InvalidCertificate', `${result.key} ${result.message}`);
    return { state: 'unusable', diagnostics: report.diagnostics };
  }
  const { chain, leaf, key } = result;
  checkTime(leaf, asOf, report);
  const { namespace, name } = secret.metadata;
  return {
    state: 'usable',
    certificate: {
      name: `${namespace}/${name}`,
      chain: chain.map(String).join(''),
      privateKey: new Redacted(key.export({ type: 'pkcs8', format: 'pem' }).toString()),
      sources: [{ object: report.object, path: [] }],
    },
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    hosts: dnsNames(leaf),
    diagnostics: report.diagnostics,
  };
}

interface Pair {
  readonly chain: readonly X509Certificate[];
  readonly leaf: X509Certificate;
  readonly key: KeyObject;
}

function readPair({ data }: Secret): Pair | Problem {
  const chain = readChain(data['tls.crt']);
  if ('message' in chain) return chain;
  const [leaf] = chain;
  if (leaf === undefined) return { key: 'tls.crt', message: 'has no certificate in PEM' };
  const leafProblem = keyProblem(leaf.publicKey) ?? extensionProblem(leaf);
  if (leafProblem !== undefined) return { key: 'tls.crt', message: leafProblem };
  const key = readKey(data['tls.key']);
  if ('message' in key) return key;
  return leaf.checkPrivateKey(key) ? { chain, leaf, key } : { key: 'tls.key', message: 'does not fit the certificate in tls.crt' };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

function readChain(text: Redacted | undefined): readonly X509Certificate[] | Problem {
  if (text === undefined) return { key: 'tls.crt', message: 'is missing' };
  const chain: X509Certificate[] = [];
  for (const [pem] of text.reveal().matchAll(PEM_CERTIFICATE)) {
    try {
      chain.push(new X509Certificate(pem));
    } catch {
      return { key: 'tls.crt', message: `has a certificate that cannot be read, number ${chain.length + 1}` };
    }
  }
  return chain;
}

function readKey(text: Redacted | undefined): KeyObject | Problem {
  if (text === undefined) return { key: 'tls.key', message: 'is missing' };
  const pem = text.reveal();
  if (/^(?:-----BEGIN ENCRYPTED |Proc-Type:.*ENCRYPTED)/m.test(pem)) return { key: 'tls.key', message: 'is encrypted' };
  try {
    return createPrivateKey(pem);
  } catch {
    // The reason is left out on purpose: it could quote what it stumbled over.
    return { key: 'tls.key', message: 'is no private key in PEM' };
  }
}

const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

function keyProblem(key: KeyObject): string | undefined {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS) return `has an RSA key of ${modulusLength} bits, where ${MIN_RSA_BITS} are needed`;
      return modulusLength > MAX_RSA_BITS ? `has an RSA key of ${modulusLength} bits, more than ${MAX_RSA_BITS}` : undefined;
    case 'ec':
      return CURVES.has(namedCurve ?? '') ? undefined : 'has an elliptic curve other than P-256, P-384 and P-521';
    case 'ed25519':
      return undefined;
    default:
      return `has a key of type ${key.asymmetricKeyType ?? 'unknown'}, which is not supported`;
  }
}

const KEY_USAGE = '551d0f';
const TLS_FEATURE = '2b06010505070118';

function extensionProblem(leaf: X509Certificate): string | undefined {
  if (findExtension(leaf.raw, TLS_FEATURE) !== undefined) return 'demands a stapled OCSP answer, which is not supported';
  const usage = findExtension(leaf.raw, KEY_USAGE);
  // A BIT STRING inside: tag, length, unused bits, then the flags with digitalSignature first.
  const signs = usage === undefined || ((usage[3] ?? 0) & 0x80) !== 0;
  return signs || leaf.publicKey.asymmetricKeyType === 'rsa' ? undefined : 'does not allow its key to sign (key usage digitalSignature)';
}

function checkTime(leaf: X509Certificate, asOf: Date, report: Report): void {
  const path = ['data', 'tls.crt'];
  if (asOf > leaf.validToDate) report.add(path, 'CertificateExpired', `expired at ${leaf.validToDate.toISOString()}`);
  if (asOf < leaf.validFromDate) report.add(path, 'CertificateNotYetValid', `is not valid before ${leaf.validFromDate.toISOString()}`);
}

/** Clients look at the subject alternative names only, never at the common name. */
function dnsNames(leaf: X509Certificate): readonly string[] {
  const names = (leaf.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('DNS:'));
  return names.map((name) => name.slice('DNS:'.length).toLowerCase());
}
