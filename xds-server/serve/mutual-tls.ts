import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';

/** All in PEM. */
export interface ServerIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  /** The authorities whose clients are let in. */
  readonly authorities: string;
}

/**
 * Credentials for a listener whose clients must have a certificate, over TLS 1.3 at least. They can be replaced at any time:
 * connections made from then on see the new ones, and those that are open stay as they are.
 */
export class MutualTlsCredentials extends ServerCredentials {
  constructor(identity: ServerIdentity) {
    super({ requestCert: true, rejectUnauthorized: true }, contextOf(identity));
  }

  replace(identity: ServerIdentity): void {
    this.updateSecureContextOptions(contextOf(identity));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ certificate, privateKey, authorities }: ServerIdentity): SecureContextOptions {
  return {
    cert: certificate,
    key: privateKey,
    ca: authorities,
    minVersion: 'TLSv1.3',
    // A resumed session would not have its certificate looked at again.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
