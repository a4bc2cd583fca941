import type { PeerCertificate } from 'node:tls';
import { type ChannelCredentials, experimental } from '@grpc/grpc-js';
import { CONTROLLER_ID, type KeyedCertificate, tryReadCertificate } from '../../pki/index.ts';

type AuthorityListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

/**
 * The certificates of a channel, which can be replaced at any time: connections made from then on use the new ones, and those
 * that are open stay as they are. A channel waits until there is a certificate and somebody to trust.
 */
export class ReplaceableCertificates implements experimental.CertificateProvider {
  readonly #authorityListeners = new Set<AuthorityListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #authorities: Parameters<AuthorityListener>[0] = null;
  #identity: Parameters<IdentityListener>[0] = null;

  /** @param bundle PEM */
  replaceAuthorities(bundle: string): void {
    this.#authorities = { caCertificate: Buffer.from(bundle) };
    for (const tell of this.#authorityListeners) tell(this.#authorities);
  }

  replaceIdentity({ certificate, privateKey }: KeyedCertificate): void {
    this.#identity = { certificate: Buffer.from(certificate), privateKey: Buffer.from(privateKey) };
    for (const tell of this.#identityListeners) tell(this.#identity);
  }

  addCaCertificateListener(listener: AuthorityListener): void {
    this.#authorityListeners.add(listener);
    if (this.#authorities) process.nextTick(listener, this.#authorities);
  }

  removeCaCertificateListener(listener: AuthorityListener): void {
    this.#authorityListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    if (this.#identity) process.nextTick(listener, this.#identity);
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }
}

/** Credentials that trust controllers, and nobody else that the authorities signed for. */
export function nodeCredentials(certificates: ReplaceableCertificates): ChannelCredentials {
  return experimental.createCertificateProviderChannelCredentials(certificates, certificates, { checkServerIdentity: checkController });
}

/** Who a controller is does not depend on the name or address that it was reached by. */
function checkController(_host: string, { raw }: PeerCertificate): Error | undefined {
  const spiffeId = tryReadCertificate(raw)?.spiffeId;
  return spiffeId === CONTROLLER_ID ? undefined : new Error(`the server is ${spiffeId ?? 'nobody'} and not a controller`);
}
