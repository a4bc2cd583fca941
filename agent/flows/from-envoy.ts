import {
  AccessLogType,
  type HTTPAccessLogEntry,
  type TCPAccessLogEntry,
} from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { type Directory, type Flow, flowOfConnection, flowsOfRequest } from '../../flows/index.ts';
import { isDenied, NETWORK_RBAC, parseDecision, passedBy, REQUEST_ID_STATE, wouldBeDenied } from '../../l7-filters/http/index.ts';
import { SERVER_NAME_STATE, SLOT_STATE } from '../../l7-filters/tls/index.ts';
import { REQUEST_LOG } from '../../xds-server/serve/index.ts';
import type { LogEntries } from '../access-logs/access-log-intake.ts';
import { stateOf } from '../access-logs/filter-state.ts';
import type { SlotDecision, SlotDecisions } from './slot-decisions.ts';

export interface EnvoyContext {
  readonly node: string;
  readonly directory: Directory;
  readonly decisions: SlotDecisions;
  /** In lower case. */
  readonly shownHeaders: ReadonlySet<string>;
}

const NOTHING: readonly Flow[] = [];

/** What makes flows of one thing that Envoy has logged. */
type FlowsOf = () => readonly Flow[];

/** Of what Envoy has logged by that name. Each request and each connection that has ended stands in one log of ours. */
export function flowsOfLog(log: string, entries: LogEntries, context: EnvoyContext): readonly FlowsOf[] {
  switch (entries.case) {
    case 'httpLogs':
      return entries.value.logEntry.filter(hasEnded).map((entry) => () => ofRequest(log, entry, context));
    case 'tcpLogs':
      return entries.value.logEntry.filter(hasEnded).map((entry) => () => ofConnection(log, entry, context));
    default:
      return [];
  }
}

const UNDER_WAY: ReadonlySet<AccessLogType> = new Set([
  AccessLogType.TcpUpstreamConnected,
  AccessLogType.TcpConnectionStart,
  AccessLogType.TcpPeriodic,
  AccessLogType.DownstreamTunnelSuccessfullyEstablished,
  AccessLogType.DownstreamPeriodic,
  AccessLogType.DownstreamStart,
]);

/** Owners of listeners may have them log before that, too. */
function hasEnded({ commonProperties }: HTTPAccessLogEntry | TCPAccessLogEntry): boolean {
  return !UNDER_WAY.has(commonProperties?.accessLogType ?? AccessLogType.NotSet);
}

function ofRequest(log: string, entry: HTTPAccessLogEntry, context: EnvoyContext): readonly Flow[] {
  const { decisions, ...common } = context;
  const decision = log === REQUEST_LOG ? allowedBy(entry) : decisions.denied(log);
  const requestId = stateOf(entry.commonProperties, REQUEST_ID_STATE);
  return flowsOfRequest(entry, { ...common, ...withDecision(decision), ...(requestId !== '' && { requestId }) });
}

function ofConnection(log: string, entry: TCPAccessLogEntry, { decisions, ...common }: EnvoyContext): readonly Flow[] {
  if (log !== REQUEST_LOG) return [flowOfConnection(entry, { ...common, ...withDecision(decisions.denied(log)) })];
  const slot = stateOf(entry.commonProperties, SLOT_STATE);
  // The slot itself has told of that.
  if (slot !== '' && isToldBySlot(entry)) return NOTHING;
  const serverName = stateOf(entry.commonProperties, SERVER_NAME_STATE);
  return [flowOfConnection(entry, { ...common, ...withDecision(decisions.allowed(slot, serverName)) })];
}

function isToldBySlot({ commonProperties }: TCPAccessLogEntry): boolean {
  const { metadata, connectionTerminationDetails } = commonProperties ?? {};
  return wouldBeDenied(metadata?.filterMetadata, NETWORK_RBAC) || isDenied(connectionTerminationDetails);
}

function allowedBy({ commonProperties }: HTTPAccessLogEntry): SlotDecision {
  const name = passedBy(commonProperties?.metadata?.filterMetadata);
  return (name === undefined ? undefined : parseDecision(name)) ?? { by: [] };
}

function withDecision({ direction, by }: SlotDecision) {
  return { decidedBy: by, ...(direction !== undefined && { direction }) };
}
