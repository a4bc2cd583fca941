import { Server, status } from '@grpc/grpc-js';
import { type Call, refuse } from './client-stream.ts';
import { type BoundAddress, type ListenAddress, listenOn } from './listen.ts';
import { PeerIdentities, type PeerIdentity } from './peer.ts';
import { defineService, type RpcMethod, type StreamMethod } from './services.ts';

export interface RpcServerOptions {
  /** Largest request. Default 64 MiB: a client that reconnects names all that it has. */
  readonly maxRequestBytes?: number;
  /** How often a silent connection is probed, in milliseconds. Default 30 000. */
  readonly keepaliveMs?: number;
}

/** Who serves the streams of some methods. */
export interface StreamHandler<M extends RpcMethod = StreamMethod> {
  /** @param identity undefined where a client is who it says it is */
  serve(call: Call, method: M, identity: string | undefined): void;
  /** Ends all streams. */
  endStreams(code: status, details: string): void;
}

/** A gRPC server, whose addresses, and what its clients are known by, one or more {@link StreamHandler | handlers} share. */
export class RpcServer {
  readonly #grpc: Server;
  readonly #peers = new PeerIdentities();
  readonly #bound: BoundAddress[] = [];
  readonly #handlers: Pick<StreamHandler, 'endStreams'>[] = [];
  #closing: Promise<void> | undefined;

  constructor({ maxRequestBytes = 64 * 1024 * 1024, keepaliveMs = 30_000 }: RpcServerOptions = {}) {
    this.#grpc = new Server({
      'grpc.max_receive_message_length': maxRequestBytes,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': 10_000,
    });
  }

  /** To be called before the first `listen`. */
  add<M extends RpcMethod>(methods: readonly M[], handler: StreamHandler<M>): void {
    this.#handlers.push(handler);
    for (const method of methods) {
      this.#grpc.addService(defineService(method), {
        serve: (call: Call) => {
          const identity: PeerIdentity = this.#peers.admit(call);
          if (typeof identity === 'object') refuse(call, identity);
          else handler.serve(call, method, identity);
        },
      });
    }
  }

  /** To be called once for each stream that was served, when it is over. */
  release(identity: string | undefined): void {
    if (identity !== undefined) this.#peers.release(identity);
  }

  /**
   * Listens on one more address.
   * @returns the port, for a TCP address
   * @throws XdsError `address-in-use` or `listen-failed`
   */
  async listen(address: ListenAddress): Promise<number | undefined> {
    const bound = await listenOn(this.#grpc, address, this.#peers);
    this.#bound.push(bound);
    return bound.port;
  }

  /** Ends all streams, so that clients look for another server, and cuts off after `graceMs` who does not let go. */
  close(graceMs = 1_000): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    for (const handler of this.#handlers) handler.endStreams(status.UNAVAILABLE, 'the server shuts down');
    const timer = setTimeout(() => this.#grpc.forceShutdown(), graceMs);
    await new Promise<void>((done) => this.#grpc.tryShutdown(() => done()));
    clearTimeout(timer);
    await Promise.all(this.#bound.map((bound) => bound.release()));
  }
}
