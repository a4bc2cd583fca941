import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type FlowBatch,
  FlowBatchSchema,
  FlowBatchTakenSchema,
  type FlowEventSchema,
} from '@sluice/envoy-protos/sluice/node/v1/flows_pb.js';

/** By which an enforcer tells the agent of its node of flows: `FlowBatch`es, each answered with a `FlowBatchTaken`. */
export const FLOWS_PATH = '/sluice.node.v1.NodeFlowService/StreamFlows';

export type { FlowBatch };
/** An event, as it is made. */
export type ToldFlowEvent = MessageInitShape<typeof FlowEventSchema>;

export function encodeFlowBatch(batch: MessageInitShape<typeof FlowBatchSchema>): Uint8Array {
  return toBinary(FlowBatchSchema, create(FlowBatchSchema, batch));
}

/** @returns undefined where it is none */
export function decodeFlowBatch(bytes: Uint8Array): FlowBatch | undefined {
  try {
    return fromBinary(FlowBatchSchema, bytes);
  } catch {
    return undefined;
  }
}

export function encodeTaken(number: bigint): Uint8Array {
  return toBinary(FlowBatchTakenSchema, create(FlowBatchTakenSchema, { number }));
}

/** @returns undefined where it is none */
export function decodeTaken(bytes: Uint8Array): bigint | undefined {
  try {
    return fromBinary(FlowBatchTakenSchema, bytes).number;
  } catch {
    return undefined;
  }
}
