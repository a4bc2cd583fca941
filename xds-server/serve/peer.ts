import type { PeerCertificate } from 'node:tls';
import { experimental, type Metadata, type ServerCredentials, ServerInterceptingCall, status } from '@grpc/grpc-js';

/** Why a client is not served. */
export interface PeerRefusal {
  /** `unauthenticated`: nobody knows who it is; `permission-denied`: somebody who may not; `resource-exhausted`: somebody who has enough. */
  readonly refused: 'unauthenticated' | 'permission-denied' | 'resource-exhausted';
  readonly message: string;
}

/**
 * Says which node the holder of a verified certificate is; undefined stands for no certificate.
 * @returns the node's id, whatever the client calls itself
 */
export type Identify = (certificate: PeerCertificate | undefined) => string | PeerRefusal;

/** Who a client is, where its listener tells; undefined where a client is who it says it is. */
export type PeerIdentity = string | PeerRefusal | undefined;

/** A node needs one for each type at most, and as many while a lost connection is not known to be lost. */
const MAX_STREAMS = 16;

const STATUSES = {
  unauthenticated: status.UNAUTHENTICATED,
  'permission-denied': status.PERMISSION_DENIED,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
} satisfies Record<PeerRefusal['refused'], status>;

/** Who opened which stream, found by what the library passes from a listener to the handlers of all of them. */
export class PeerIdentities {
  readonly #identities = new WeakMap<Metadata, string | PeerRefusal>();
  /** How many streams are open of each who is known; nobody has none. */
  readonly #open = new Map<string, number>();

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

  /** Says who opened a stream, which is one of theirs until it is released; whoever has too many is refused another. */
  admit({ metadata }: { readonly metadata: Metadata }): PeerIdentity {
    const identity = this.#identities.get(metadata);
    if (typeof identity !== 'string') return identity;
    const open = this.#open.get(identity) ?? 0;
    if (open >= MAX_STREAMS) return { refused: 'resource-exhausted', message: `one client may have ${MAX_STREAMS} streams at a time` };
    this.#open.set(identity, open + 1);
    return identity;
  }

  /** To be called once for each stream that was admitted, when it is over. */
  release(identity: string): void {
    const open = this.#open.get(identity) ?? 0;
    if (open > 1) this.#open.set(identity, open - 1);
    else this.#open.delete(identity);
  }
}

export function statusOf({ refused }: PeerRefusal): status {
  return STATUSES[refused];
}
