import { DropReason } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { type Direction, RESERVED_IDENTITIES } from '../../model/index.ts';
import type { Flow } from '../flow.ts';
import { dropReasonOf } from '../hubble/names.ts';

const POLICY_DROPS: ReadonlySet<DropReason> = new Set([DropReason.POLICY_DENIED, DropReason.POLICY_DENY]);

/** What a policy has decided about. */
export interface PolicyVerdict {
  readonly direction: Direction;
  /** `l3-l4`, `l7/http`, …; `none` where no rule matches. */
  readonly match: string;
}

/**
 * As Hubble has it: of connections and packets that policies were asked about, and of all that is said in layer 7, requests and responses. Connections of
 * the host count as nothing, since it may always come to its own pods; its requests do.
 * @returns undefined where nobody has judged
 */
export function policyVerdictOf(flow: Flow): PolicyVerdict | undefined {
  const { direction, kind, l7, decidedBy } = flow;
  if (direction === undefined || kind === 'connection-ended') return undefined;
  if (kind === 'exchange') return { direction, match: `l7/${l7?.kind ?? ''}` };
  if (flow.source.identity === RESERVED_IDENTITIES.host) return undefined;
  if (kind === 'packet-dropped' && !POLICY_DROPS.has(dropReasonOf(flow))) return undefined;
  return { direction, match: decidedBy.length === 0 ? 'none' : 'l3-l4' };
}
