import { fromBinary } from '@bufbuild/protobuf';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { decodeHoldings, HOLDINGS_PATH, type HoldingReport } from './holding-report.ts';
import { NodeStreams } from './node-streams.ts';
import { readRefusal } from './refusal.ts';
import type { RpcServer } from './rpc-server.ts';
import type { RpcMethod } from './services.ts';

/** By which agents say what their node's Envoy refuses of what the node itself makes: each message, a `google.rpc.Status`, says all of it. */
export const REPORT_PATH = '/sluice.node.v1.NodeReportService/StreamRefusals';
export const REPORT_METHODS: readonly RpcMethod[] = [{ path: REPORT_PATH }];
export const HOLDINGS_METHODS: readonly RpcMethod[] = [{ path: HOLDINGS_PATH }];

export interface NodeReportsOptions {
  /** Who knows how many streams a node has. */
  readonly rpc: Pick<RpcServer, 'release'>;
  /** Told all that a node's Envoy refuses, in its words by name; nothing once the node says no more. */
  readonly onReport: (node: string, refused: ReadonlyMap<string, string>) => void;
}

const NOTHING: ReadonlyMap<string, string> = new Map();
/** More than a node has. */
const MAX_NAMES = 10_000;

/** What nodes' Envoys refuse of what nodes themselves make. */
export class NodeReports extends NodeStreams {
  constructor({ rpc, onReport }: NodeReportsOptions) {
    super({
      rpc,
      onMessage: (node, bytes) => onReport(node, readNames(bytes)),
      onOver: (node) => onReport(node, NOTHING),
    });
  }
}

export interface NodeHoldingReportsOptions {
  readonly rpc: Pick<RpcServer, 'release'>;
  /** Told what a node's Envoy has; undefined where it begins to say that anew. */
  readonly onReport: (node: string, report: HoldingReport | undefined) => void;
  /** A node says no more. */
  readonly onOver: (node: string) => void;
}

/** Which versions nodes' Envoys have, and which they refuse. */
export class NodeHoldingReports extends NodeStreams {
  constructor({ rpc, onReport, onOver }: NodeHoldingReportsOptions) {
    super({
      rpc,
      onOpen: (node) => onReport(node, undefined),
      onMessage: (node, bytes) => {
        const report = decodeHoldings(bytes);
        if (report) onReport(node, report);
      },
      onOver,
    });
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
