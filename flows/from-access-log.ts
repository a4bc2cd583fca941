import { randomUUID } from 'node:crypto';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { RequestMethod } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import {
  type AccessLogCommon,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion,
  type TCPAccessLogEntry,
} from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { isDenied, knownRefusalOf, NETWORK_RBAC, RBAC, wouldBeDenied } from '../l7-filters/http/index.ts';
import { type Direction, IP_PROTOCOLS, type ObjectRef } from '../model/index.ts';
import type { Directory } from './directory.ts';
import type { Flow, FlowVerdict, HttpExchange } from './flow.ts';
import { keptText, MOST_KEPT } from './kept-text.ts';
import { shownHeaders, shownUrl } from './redaction.ts';
import { type Socket, socketOf } from './socket.ts';
import { nanosecondsOf, systemTime } from './time.ts';
import { readTraceContext } from './tracing/trace-context.ts';

const NOWHERE: Socket = { address: '', port: 0 };

/** What is known besides of what a log has. */
export interface AccessLogContext {
  readonly node: string;
  readonly directory: Directory;
  /** As the pod sees it that was decided for; absent where nobody was asked. */
  readonly direction?: Direction;
  /** Whose rules decided. */
  readonly decidedBy: readonly ObjectRef[];
  /** In lower case. */
  readonly shownHeaders: ReadonlySet<string>;
  /** Where the log does not have it. */
  readonly requestId?: string;
}

/**
 * A request that ended and its response, as flows: the one goes to the server, the other back. A request that rules deny has none: Envoy has answered
 * it. Nor has one whose client did not wait. Of what the client said, what is long is cut.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/data/accesslog/v3/accesslog.proto
 */
export function flowsOfRequest(entry: HTTPAccessLogEntry, context: AccessLogContext): readonly Flow[] {
  const verdict = verdictOf(entry);
  const startedAt = timeOf(entry.commonProperties);
  const headers = shownHeaders(entry.request?.requestHeaders ?? {}, context.shownHeaders);
  const exchange = exchangeOf(entry);
  const asked = { ...exchange, type: 'request', headers: withRequestId(headers, requestIdOf(entry, context)) } as const;
  const reason = verdict === 'dropped' ? { reason: reasonOf(entry) } : {};
  const request = { ...requestFlow(entry, context), time: startedAt, verdict, ...reason, isReply: false, l7: asked };
  if (verdict === 'dropped' || entry.response?.responseCode === undefined) return [request];
  const latency = lengthOf(entry.commonProperties?.timeToLastDownstreamTxByte ?? entry.commonProperties?.duration);
  const answered = {
    ...exchange,
    type: 'response',
    latency,
    code: entry.response.responseCode,
    headers: shownHeaders(entry.response.responseHeaders, context.shownHeaders),
  } as const;
  return [
    request,
    { ...request, ...reversed(request), uuid: randomUUID(), time: startedAt + latency, verdict: 'forwarded', isReply: true, l7: answered },
  ];
}

/** A connection that was passed on as it is and has ended, or that rules deny. */
export function flowOfConnection({ commonProperties, connectionProperties }: TCPAccessLogEntry, context: AccessLogContext): Flow {
  const common = commonFlow(commonProperties, context);
  const time = timeOf(commonProperties);
  if (isDenied(commonProperties?.connectionTerminationDetails))
    return { ...common, time, kind: 'exchange', verdict: 'dropped', reason: 'dropped-server-name', isReply: false };
  const { receivedBytes = 0n, sentBytes = 0n } = connectionProperties ?? {};
  return {
    ...common,
    time: time + lengthOf(commonProperties?.duration),
    kind: 'connection-ended',
    verdict: wouldBeDenied(commonProperties?.metadata?.filterMetadata, NETWORK_RBAC) ? 'audit' : 'forwarded',
    isReply: false,
    traffic: { packets: 0n, bytes: receivedBytes + sentBytes },
  };
}

function requestFlow(entry: HTTPAccessLogEntry, context: AccessLogContext): CommonFlow & { readonly kind: 'exchange' } {
  const trace = readTraceContext(entry.request?.requestHeaders ?? {});
  const requestId = requestIdOf(entry, context);
  return {
    ...commonFlow(entry.commonProperties, context),
    kind: 'exchange',
    ...(trace && { traceId: keptText(trace.traceId, trace.traceId.length) }),
    // What is not sampled no collector ever gets: spans below it would be of a parent that nobody has.
    ...(trace?.spanId !== undefined && trace.sampled !== false && { parentSpanId: keptText(trace.spanId, trace.spanId.length) }),
    ...(requestId !== '' && { requestId }),
  };
}

type CommonFlow = Omit<Flow, 'kind' | 'time' | 'verdict'>;

/** To whom Envoy has sent it, if to anybody; else to whom it was meant to go. */
function commonFlow(common: AccessLogCommon | undefined, { node, directory, direction, decidedBy }: AccessLogContext): CommonFlow {
  const client = socketOf(common?.downstreamDirectRemoteAddress) ?? NOWHERE;
  const asked = socketOf(common?.downstreamLocalAddress) ?? NOWHERE;
  const chosen = socketOf(common?.upstreamRemoteAddress) ?? NOWHERE;
  const isElsewhere = chosen.address !== '' && (chosen.address !== asked.address || chosen.port !== asked.port);
  const server = isElsewhere ? chosen : asked;
  return {
    uuid: randomUUID(),
    node,
    source: directory.peerOf(client.address),
    destination: isElsewhere ? directory.chosenFor(asked.address, server.address) : directory.peerOf(server.address),
    protocol: IP_PROTOCOLS.TCP,
    sourcePort: client.port,
    destinationPort: server.port,
    ...(isElsewhere && { asked }),
    ...(direction !== undefined && { direction }),
    decidedBy,
  };
}

function reversed({ source, destination, sourcePort, destinationPort }: Flow) {
  return { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort };
}

function requestIdOf({ request }: HTTPAccessLogEntry, { requestId }: AccessLogContext): string {
  return keptText(request?.requestId || (requestId ?? ''), MOST_KEPT.requestId);
}

/** By which it is asked why something was denied, and which flows are related. */
function withRequestId(headers: HttpExchange['headers'], requestId: string): HttpExchange['headers'] {
  const others = headers.filter(([name]) => name !== 'x-request-id');
  return requestId === '' ? others : [...others, ['x-request-id', requestId]];
}

const PROTOCOLS: Readonly<Record<HTTPAccessLogEntry_HTTPVersion, string>> = {
  [HTTPAccessLogEntry_HTTPVersion.PROTOCOL_UNSPECIFIED]: '',
  [HTTPAccessLogEntry_HTTPVersion.HTTP10]: 'HTTP/1.0',
  [HTTPAccessLogEntry_HTTPVersion.HTTP11]: 'HTTP/1.1',
  [HTTPAccessLogEntry_HTTPVersion.HTTP2]: 'HTTP/2',
  [HTTPAccessLogEntry_HTTPVersion.HTTP3]: 'HTTP/3',
};

function exchangeOf({ request, protocolVersion }: HTTPAccessLogEntry): Pick<HttpExchange, 'kind' | 'method' | 'url' | 'protocol'> {
  // Not `originalPath`, which is a header that clients may send as well. No route of ours changes a path.
  const { requestMethod = RequestMethod.METHOD_UNSPECIFIED, requestHeaders, scheme = '', authority = '', path = '' } = request ?? {};
  // Methods that Envoy has no name for stand in the header alone.
  const method = requestHeaders?.[':method'] ?? (requestMethod === RequestMethod.METHOD_UNSPECIFIED ? '' : RequestMethod[requestMethod]);
  return {
    kind: 'http',
    method: keptText(method, MOST_KEPT.method),
    url: shownUrl({ scheme, authority, path }),
    protocol: PROTOCOLS[protocolVersion] ?? '',
  };
}

function verdictOf({ commonProperties, response }: HTTPAccessLogEntry): FlowVerdict {
  if (isDenied(response?.responseCodeDetails)) return 'dropped';
  return wouldBeDenied(commonProperties?.metadata?.filterMetadata, RBAC) ? 'audit' : 'forwarded';
}

function reasonOf({ response }: HTTPAccessLogEntry): string {
  return `dropped-${knownRefusalOf(response?.responseCodeDetails) ?? 'request'}`;
}

function timeOf(common: AccessLogCommon | undefined): bigint {
  return common?.startTime ? nanosecondsOf(common.startTime) : systemTime();
}

function lengthOf(duration: Duration | undefined): bigint {
  return duration ? nanosecondsOf(duration) : 0n;
}
