import { status } from '@grpc/grpc-js';
import { type Call, endCall } from './client-stream.ts';
import type { RpcServer, StreamHandler } from './rpc-server.ts';
import type { RpcMethod } from './services.ts';

export interface NodeStreamsOptions {
  /** Who knows how many streams a node has. */
  readonly rpc: Pick<RpcServer, 'release'>;
  /** A node begins to say all that there is anew. */
  readonly onOpen?: (node: string) => void;
  readonly onMessage: (node: string, bytes: Uint8Array) => void;
  /** A node says no more. */
  readonly onOver: (node: string) => void;
}

const ELSEWHERE = 'another controller takes reports';

/**
 * Listens to nodes that are known by their certificates, once it is told to; until then they are to look elsewhere. Of several streams of one
 * node the last one counts.
 */
export class NodeStreams implements StreamHandler<RpcMethod> {
  readonly #options: NodeStreamsOptions;
  readonly #calls = new Set<Call>();
  readonly #last = new Map<string, Call>();
  #takes = false;

  constructor(options: NodeStreamsOptions) {
    this.#options = options;
  }

  /** Says whether reports are taken here. */
  take(takes: boolean): void {
    this.#takes = takes;
    if (!takes) this.endStreams(status.UNAVAILABLE, ELSEWHERE);
  }

  serve(call: Call, _method: RpcMethod, identity: string | undefined): void {
    this.#calls.add(call);
    if (identity !== undefined && this.#takes) {
      this.#last.set(identity, call);
      this.#options.onOpen?.(identity);
    }
    call.on('data', (bytes: Buffer) => {
      if (identity !== undefined && this.#last.get(identity) === call) this.#options.onMessage(identity, bytes);
    });
    call.on('end', () => {
      this.#over(call, identity);
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#over(call, identity));
    if (!this.#takes) endCall(call, status.UNAVAILABLE, ELSEWHERE);
  }

  endStreams(code: status = status.UNAVAILABLE, details = 'the server shuts down'): void {
    for (const call of [...this.#calls]) endCall(call, code, details);
  }

  #over(call: Call, identity: string | undefined): void {
    if (!this.#calls.delete(call) || identity === undefined) return;
    this.#options.rpc.release(identity);
    if (this.#last.get(identity) !== call) return;
    this.#last.delete(identity);
    this.#options.onOver(identity);
  }
}
