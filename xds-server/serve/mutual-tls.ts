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

/** Who has not shown a certificate by then holds a socket, and no more of it. */
const HANDSHAKE_WITHIN_MS = 10_000;

/**
 * Credentials for a listener whose clients must have a certificate, over TLS 1.3 at least. They can be replaced at any time:
 * connections made from then on see the new ones, and those that are open stay as they are.
 */
export class MutualTlsCredentials extends ServerCredentials {
  /** @param handshakeWithinMs how long a client may take to show its certificate, in milliseconds. Default 10 s */
  constructor(identity: ServerIdentity, handshakeWithinMs = HANDSHAKE_WITHIN_MS) {
    super({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeWithinMs }, contextOf(identity));
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
