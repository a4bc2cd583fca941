import { constants } from 'node:crypto';
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls';
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
  readonly #options: TlsOptions;
  readonly #servers = new Set<Server>();
  #context: SecureContextOptions;

  /** @param handshakeWithinMs how long a client may take to show its certificate, in milliseconds. Default 10 s */
  constructor(identity: ServerIdentity, handshakeWithinMs = HANDSHAKE_WITHIN_MS) {
    const options = { requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeWithinMs };
    const context = contextOf(identity);
    super(options, context);
    this.#options = options;
    this.#context = context;
  }

  replace(identity: ServerIdentity): void {
    this.#context = contextOf(identity);
    this.updateSecureContextOptions(this.#context);
    for (const server of this.#servers) server.setSecureContext(this.#context);
  }

  /** With what a server begins that speaks no gRPC. */
  options(): TlsOptions {
    return { ...this.#options, ...this.#context };
  }

  /** Has a server that speaks no gRPC follow what is replaced. @returns what ends that */
  follow(server: Server): () => void {
    this.#servers.add(server);
    server.setSecureContext(this.#context);
    return () => this.#servers.delete(server);
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
