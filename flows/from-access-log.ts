import { randomUUID } from 'node:crypto';
import { RequestMethod } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import {
  type AccessLogCommon,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntry_HTTPVersion,
} from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { type Direction, IP_PROTOCOLS, type ObjectRef } from '../model/index.ts';
import type { Directory } from './directory.ts';
import type { Flow, FlowVerdict, HttpExchange } from './flow.ts';
import { shownHeaders, shownUrl } from './redaction.ts';
import { type Socket, socketOf } from './socket.ts';
import { nanosecondsOf } from './time.ts';
import { readTraceContext } from './tracing/trace-context.ts';

const NOWHERE: Socket = { address: '', port: 0 };

/** What is known of a listener whose log it is. */
export interface AccessLogContext {
  readonly node: string;
  readonly directory: Directory;
  /** As the pod sees it that the listener decides for; absent where it decides for none. */
  readonly direction?: Direction;
  /** Whose rules it asks. */
  readonly decidedBy: readonly ObjectRef[];
  /** In lower case. */
  readonly shownHeaders: ReadonlySet<string>;
}

/**
 * A request that ended and its response, as flows: the one goes to the server, the other back. A request that rules deny has none: Envoy has answered
 * it.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/data/accesslog/v3/accesslog.proto
 */
export function flowsOfRequest(entry: HTTPAccessLogEntry, context: AccessLogContext): readonly Flow[] {
  const verdict = verdictOf(entry);
  const startedAt = timeOf(entry.commonProperties);
  const asked = {
    ...exchangeOf(entry),
    type: 'request',
    headers: shownHeaders(entry.request?.requestHeaders ?? {}, context.shownHeaders),
  } as const;
  const request = flowOf(entry, context, { time: startedAt, verdict, isReply: false, l7: asked });
  if (verdict === 'dropped') return [request];
  const lasted = entry.commonProperties?.timeToLastDownstreamTxByte ?? entry.commonProperties?.duration;
  const latency = lasted ? nanosecondsOf(lasted) : 0n;
  const answered = {
    ...exchangeOf(entry),
    type: 'response',
    latency,
    code: entry.response?.responseCode ?? 0,
    headers: shownHeaders(entry.response?.responseHeaders ?? {}, context.shownHeaders),
  } as const;
  return [request, flowOf(entry, context, { time: startedAt + latency, verdict: 'forwarded', isReply: true, l7: answered })];
}

type Told = Pick<Flow, 'time' | 'verdict' | 'isReply' | 'l7'>;

function flowOf({ commonProperties, request }: HTTPAccessLogEntry, context: AccessLogContext, told: Told): Flow {
  const client = socketOf(commonProperties?.downstreamDirectRemoteAddress) ?? NOWHERE;
  const server = socketOf(commonProperties?.downstreamLocalAddress) ?? NOWHERE;
  const [from, to] = told.isReply ? [server, client] : [client, server];
  const trace = readTraceContext(request?.requestHeaders ?? {});
  const { node, directory, direction, decidedBy } = context;
  return {
    uuid: randomUUID(),
    node,
    kind: 'exchange',
    source: directory.peerOf(from.address),
    destination: directory.peerOf(to.address),
    protocol: IP_PROTOCOLS.TCP,
    sourcePort: from.port,
    destinationPort: to.port,
    ...(direction !== undefined && { direction }),
    decidedBy,
    ...(trace && { traceId: trace.traceId }),
    ...(request?.requestId && { requestId: request.requestId }),
    ...told,
  };
}

const PROTOCOLS: Readonly<Record<HTTPAccessLogEntry_HTTPVersion, string>> = {
  [HTTPAccessLogEntry_HTTPVersion.PROTOCOL_UNSPECIFIED]: '',
  [HTTPAccessLogEntry_HTTPVersion.HTTP10]: 'HTTP/1.0',
  [HTTPAccessLogEntry_HTTPVersion.HTTP11]: 'HTTP/1.1',
  [HTTPAccessLogEntry_HTTPVersion.HTTP2]: 'HTTP/2',
  [HTTPAccessLogEntry_HTTPVersion.HTTP3]: 'HTTP/3',
};

function exchangeOf({ request, protocolVersion }: HTTPAccessLogEntry): Pick<HttpExchange, 'kind' | 'method' | 'url' | 'protocol'> {
  const { requestMethod = RequestMethod.METHOD_UNSPECIFIED, requestHeaders, scheme = '', authority = '', path = '' } = request ?? {};
  return {
    kind: 'http',
    // Methods that Envoy has no name for stand in the header alone.
    method: requestHeaders?.[':method'] ?? (requestMethod === RequestMethod.METHOD_UNSPECIFIED ? '' : RequestMethod[requestMethod]),
    url: shownUrl({ scheme, authority, path }),
    protocol: PROTOCOLS[protocolVersion] ?? '',
  };
}

/** By which RBAC says what it would have done. */
const RBAC = 'envoy.filters.http.rbac';

function verdictOf({ commonProperties, response }: HTTPAccessLogEntry): FlowVerdict {
  if (response?.responseCodeDetails.startsWith('rbac_access_denied')) return 'dropped';
  return commonProperties?.metadata?.filterMetadata[RBAC]?.['shadow_engine_result'] === 'denied' ? 'audit' : 'forwarded';
}

function timeOf(common: AccessLogCommon | undefined): bigint {
  return common?.startTime ? nanosecondsOf(common.startTime) : BigInt(Date.now()) * 1_000_000n;
}
