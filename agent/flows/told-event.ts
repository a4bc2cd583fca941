import { FlowEvent_Kind } from '@sluice/envoy-protos/sluice/node/v1/flows_pb.js';
import { encodeAddress, type FlowEvent } from '../../bpf/datapath/index.ts';
import { systemTime } from '../../flows/index.ts';
import type { ToldFlowEvent } from '../../xds-server/serve/index.ts';

const KINDS: Readonly<Record<FlowEvent['kind'], FlowEvent_Kind>> = {
  begun: FlowEvent_Kind.BEGUN,
  ended: FlowEvent_Kind.ENDED,
  dropped: FlowEvent_Kind.DROPPED,
  audited: FlowEvent_Kind.AUDITED,
};

/**
 * What the kernel tells, as an enforcer tells it on.
 * @param clockOffset what is to be added to the monotonic clock for the time since 1970, in nanoseconds
 */
export function toldEvent(event: FlowEvent, clockOffset: bigint): ToldFlowEvent {
  const { kind, time, direction, localAddress, remoteAddress, ...rest } = event;
  return {
    ...rest,
    kind: KINDS[kind],
    time: time + clockOffset,
    isEgress: direction === 'egress',
    localAddress: encodeAddress(localAddress),
    remoteAddress: encodeAddress(remoteAddress),
  };
}

/** @see toldEvent */
export function clockOffset(): bigint {
  return systemTime() - process.hrtime.bigint();
}
