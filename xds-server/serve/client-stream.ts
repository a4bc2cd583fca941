import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { XdsError } from './error.ts';
import { forgetProcess, type NodeMemory } from './node-memory.ts';
import { type PeerRefusal, statusOf } from './peer.ts';
import type { Request } from './protocol.ts';
import type { StreamMethod } from './services.ts';
import type { Session, SessionContext } from './session.ts';
import { namesOf } from './subscription.ts';

export type Call = ServerDuplexStream<Buffer, Uint8Array>;

export interface ClientStreamHost {
  readonly maxSubscriptions: number;
  /** Finds or makes what is remembered of a client, and counts this stream among its streams. */
  connect(nodeId: string): NodeMemory;
  open(context: Pick<SessionContext, 'node' | 'dialect' | 'role' | 'aggregated' | 'send'>, stream: ClientStream): Session;
  /** Called once, when the stream is over; without a session if it never said of which node it is. */
  closed(session: Session | undefined, stream: ClientStream): void;
}

/** Types that one stream may ask for; all that Envoy has are far fewer. */
const MAX_TYPES = 64;

/** One gRPC stream: what arrives goes to its session, and what its session says goes out. */
export class ClientStream {
  readonly method: StreamMethod;
  readonly peer: string;
  /** Which node it is; undefined where that is what it says. */
  readonly identity: string | undefined;
  readonly connectedAt = new Date();
  readonly #call: Call;
  readonly #host: ClientStreamHost;
  #session: Session | undefined;
  #isOver = false;

  constructor(call: Call, method: StreamMethod, host: ClientStreamHost, identity: string | undefined) {
    this.#call = call;
    this.method = method;
    this.peer = call.getPeer();
    this.#host = host;
    this.identity = identity;
    call.on('data', (bytes: Buffer) => this.#receive(bytes));
    call.on('end', () => {
      this.#close();
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#close());
  }

  /** Ends the stream with a gRPC status. */
  end(code: status, details: string): void {
    if (this.#isOver) return;
    this.#close();
    endCall(this.#call, code, details);
  }

  #receive(bytes: Buffer): void {
    if (this.#isOver) return;
    try {
      const request = this.method.protocol.decode(bytes);
      const typeUrl = this.#typeOf(request);
      const session = this.#sessionFor(request);
      if (!session.types.has(typeUrl) && session.types.size >= MAX_TYPES) {
        throw new XdsError('too-many-subscriptions', `one stream may ask for ${MAX_TYPES} types`);
      }
      request.receive(session, typeUrl);
      this.#checkSubscriptions(session);
      session.pump();
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * A type that nobody publishes is not an error of the aggregated service: refusing it would take away all the types that
   * are served, and the cache may come to hold it.
   */
  #typeOf({ typeUrl }: Request): string {
    const own = this.method.typeUrl;
    if (own !== undefined && typeUrl !== '' && typeUrl !== own) {
      throw new XdsError('malformed-request', `${this.method.path} does not serve ${typeUrl}`);
    }
    const wanted = own ?? typeUrl;
    if (wanted === '') throw new XdsError('malformed-request', 'a request to the aggregated service must name a type');
    return wanted;
  }

  #sessionFor({ nodeId: claimedId, role, resumes }: Request): Session {
    if (this.#session) return this.#session;
    const nodeId = this.identity ?? claimedId;
    if (nodeId === '') throw new XdsError('malformed-request', 'the first request of a stream must name the node');
    const node = this.#host.connect(nodeId);
    const { protocol, typeUrl } = this.method;
    // A relay knows itself what its client refused and is owed, and may have another client by now.
    if (!resumes || role !== 'client') forgetProcess(node, typeUrl);
    const send = (response: Uint8Array, written: () => void) => {
      this.#call.write(response, () => written());
    };
    this.#session = this.#host.open({ node, dialect: protocol.dialect, role, aggregated: typeUrl === undefined, send }, this);
    return this.#session;
  }

  #checkSubscriptions(session: Session): void {
    let names = 0;
    for (const { subscription } of session.types.values()) names += namesOf(subscription).size;
    if (names <= this.#host.maxSubscriptions) return;
    throw new XdsError('too-many-subscriptions', `one stream may ask for ${this.#host.maxSubscriptions} names`);
  }

  #fail(error: unknown): void {
    if (error instanceof XdsError && error.code === 'malformed-request') this.end(status.INVALID_ARGUMENT, error.message);
    else if (error instanceof XdsError && error.code === 'too-many-subscriptions') this.end(status.RESOURCE_EXHAUSTED, error.message);
    else {
      this.end(status.INTERNAL, 'the server failed');
      throw error;
    }
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session?.close();
    this.#host.closed(this.#session, this);
  }
}

/** Ends a stream that is not served. */
export function refuse(call: Call, refusal: PeerRefusal): void {
  endCall(call, statusOf(refusal), refusal.message);
}

/** Ends a stream with a gRPC status. */
export function endCall(call: Call, code: status, details: string): void {
  call.emit('error', Object.assign(new Error(details), { code, details }));
}
