import type { PeerCertificate } from 'node:tls';
import { experimental, type Metadata, type ServerCredentials, ServerInterceptingCall, status } from '@grpc/grpc-js';

/** Why a client is not served. */
export interface PeerRefusal {
  /** `unauthenticated`: nobody knows who it is; `permission-denied`: it is somebody who may not. */
  readonly refused: 'unauthenticated' | 'permission-denied';
  readonly message: string;
}

/**
 * Says which node the holder of a verified certificate is; undefined stands for no certificate.
 * @returns the node's id, whatever the client calls itself
 */
export type Identify = (certificate: PeerCertificate | undefined) => string | PeerRefusal;

/** Who a client is, where its listener tells; undefined where a client is who it says it is. */
export type PeerIdentity = string | PeerRefusal | undefined;

/** Who opened which stream, found by what the library passes from a listener to the handlers of all of them. */
export class PeerIdentities {
  readonly #identities = new WeakMap<Metadata, string | PeerRefusal>();

  /** Credentials under which every stream is identified before it is served. */
  identifying(credentials: ServerCredentials, identify: Identify): ServerCredentials {
    return experimental.createServerCredentialsWithInterceptors(credentials, [
      (_method, call) =>
        new ServerInterceptingCall(call, {
          start: (next) =>
            next({
              onReceiveMetadata: (metadata, pass) => {
                this.#identities.set(metadata, identify(call.getAuthContext().sslPeerCertificate));
                pass(metadata);
              },
              onReceiveMessage: (message, pass) => pass(message),
              onReceiveHalfClose: (pass) => pass(),
              onCancel: () => {},
            }),
        }),
    ]);
  }

  of({ metadata }: { readonly metadata: Metadata }): PeerIdentity {
    return this.#identities.get(metadata);
  }
}

export function statusOf({ refused }: PeerRefusal): status {
  return refused === 'unauthenticated' ? status.UNAUTHENTICATED : status.PERMISSION_DENIED;
}
