import { fromBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { type Call, endCall } from './client-stream.ts';
import { readRefusal } from './refusal.ts';
import type { RpcServer, StreamHandler } from './rpc-server.ts';
import type { RpcMethod } from './services.ts';

/** By which agents say what their node's Envoy refuses of what the node itself makes: each message, a `google.rpc.Status`, says all of it. */
export const REPORT_PATH = '/sluice.node.v1.NodeReportService/StreamRefusals';
export const REPORT_METHODS: readonly RpcMethod[] = [{ path: REPORT_PATH }];

export interface NodeReportsOptions {
  /** Who knows how many streams a node has. */
  readonly rpc: Pick<RpcServer, 'release'>;
  /** Told all that a node's Envoy refuses, in its words by name; nothing once the node says no more. */
  readonly onReport: (node: string, refused: ReadonlyMap<string, string>) => void;
}

const ELSEWHERE = 'another controller takes reports';
const NOTHING: ReadonlyMap<string, string> = new Map();
/** More than a node has. */
const MAX_NAMES = 10_000;

/**
 * Listens to nodes that are known by their certificates, once it is told to; until then they are to look elsewhere. Of several streams of one
 * node the last one counts.
 */
export class NodeReports implements StreamHandler<RpcMethod> {
  readonly #options: NodeReportsOptions;
  readonly #calls = new Set<Call>();
  readonly #last = new Map<string, Call>();
  #takes = false;

  constructor(options: NodeReportsOptions) {
    this.#options = options;
  }

  /** Says whether reports are taken here. */
  take(takes: boolean): void {
    this.#takes = takes;
    if (!takes) this.endStreams(status.UNAVAILABLE, ELSEWHERE);
  }

  serve(call: Call, _method: RpcMethod, identity: string | undefined): void {
    this.#calls.add(call);
    if (identity !== undefined) this.#last.set(identity, call);
    call.on('data', (bytes: Buffer) => {
      if (identity !== undefined && this.#last.get(identity) === call) this.#options.onReport(identity, readNames(bytes));
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
    this.#options.onReport(identity, NOTHING);
  }
}

function readNames(bytes: Uint8Array): ReadonlyMap<string, string> {
  try {
    const names = readRefusal(fromBinary(StatusSchema, bytes))?.resources ?? NOTHING;
    return new Map(names.entries().take(MAX_NAMES));
  } catch {
    return NOTHING;
  }
}
