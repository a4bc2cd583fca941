import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Address } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { RequestMethod } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { AccessLogCommon, HTTPAccessLogEntry, TCPAccessLogEntry } from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { keptText, MOST_KEPT, socketOf } from '../../flows/index.ts';
import { NETWORK_RBAC, RBAC, REQUEST_ID_STATE, refusalOf, wouldBeDenied } from '../../l7-filters/http/index.ts';
import { SERVER_NAME_STATE } from '../../l7-filters/tls/index.ts';
import { REQUEST_LOG } from '../../xds-server/serve/index.ts';
import type { LogEntries } from '../access-logs/access-log-intake.ts';
import { stateOf } from '../access-logs/filter-state.ts';

interface Denied {
  /** Of a request, what the answer had as `x-request-id`; of a connection, what stands in its line on Envoy's standard output. */
  readonly id: string;
  /** Whether it passed, as the pod is in audit mode. */
  readonly audited: boolean;
  readonly slot: string;
  /** ISO 8601. */
  readonly time: string;
  /** Address and port of the client. */
  readonly client: string;
  /** Address and port that the client asked for. */
  readonly destination: string;
}

/** A request that rules denied, or would have without audit mode. */
export interface RequestDenial extends Denied {
  readonly kind: 'request';
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Of a method, path or host that is too long only the beginning is kept, by which rules cannot judge. */
  readonly isCut?: true;
  /** Where it was refused whatever rules say, in the name of `RequestRefusal`, or one that this version does not know. */
  readonly refusal?: string;
}

/** The same of a connection, by the server that it names. */
export interface ServerNameDenial extends Denied {
  readonly kind: 'server-name';
  /** Empty where it names none. */
  readonly serverName: string;
}

export type Denial = RequestDenial | ServerNameDenial;

/** So many of the last are remembered: whoever asks has just been told the number. */
const MOST = 10_000;

/** What the node's Envoy denied last. It takes no more memory than {@link MOST} of what is at most kept of one. */
export class DenialLog {
  /** In the order in which they came. */
  readonly #denials = new Map<string, Denial>();

  /** Notes what a slot has denied of what Envoy has logged. */
  readonly hear = (log: string, entries: LogEntries): void => {
    if (log === REQUEST_LOG) return;
    if (entries.case === 'httpLogs') for (const entry of entries.value.logEntry) this.#note(requestDenial(log, entry));
    if (entries.case === 'tcpLogs') for (const entry of entries.value.logEntry) this.#note(serverNameDenial(log, entry));
  };

  /** The one of this id; undefined where there was none lately. */
  find(id: string): Denial | undefined {
    return this.#denials.get(keptText(id, MOST_KEPT.requestId));
  }

  #note(denial: Denial): void {
    if (denial.id === '') return;
    this.#denials.set(denial.id, denial);
    const [oldest] = this.#denials.keys();
    if (this.#denials.size > MOST && oldest !== undefined) this.#denials.delete(oldest);
  }
}

function requestDenial(slot: string, { commonProperties, request, response }: HTTPAccessLogEntry): RequestDenial {
  const refusal = refusalOf(response?.responseCodeDetails);
  const said = {
    method: request?.requestHeaders[':method'] ?? RequestMethod[request?.requestMethod ?? RequestMethod.METHOD_UNSPECIFIED],
    path: request?.path ?? '',
    host: request?.authority ?? '',
  };
  const kept = {
    method: keptText(said.method, MOST_KEPT.method),
    path: keptText(said.path, MOST_KEPT.url),
    host: keptText(said.host, MOST_KEPT.host),
  };
  const isCut = kept.method !== said.method || kept.path !== said.path || kept.host !== said.host;
  return {
    kind: 'request',
    id: keptText(request?.requestId || stateOf(commonProperties, REQUEST_ID_STATE), MOST_KEPT.requestId),
    ...deniedOf(slot, commonProperties, RBAC),
    ...kept,
    ...(isCut && { isCut }),
    ...(refusal !== undefined && { refusal }),
  };
}

function serverNameDenial(slot: string, { commonProperties }: TCPAccessLogEntry): ServerNameDenial {
  const id = commonProperties?.streamId ?? '';
  const serverName = keptText(stateOf(commonProperties, SERVER_NAME_STATE), MOST_KEPT.host);
  return { kind: 'server-name', id, ...deniedOf(slot, commonProperties, NETWORK_RBAC), serverName };
}

/** @param filter which judged */
function deniedOf(slot: string, common: AccessLogCommon | undefined, filter: string): Omit<Denied, 'id'> {
  const { startTime, downstreamDirectRemoteAddress, downstreamLocalAddress, metadata } = common ?? {};
  return {
    audited: wouldBeDenied(metadata?.filterMetadata, filter),
    slot,
    time: (startTime ? timestampDate(startTime) : new Date()).toISOString(),
    client: addressOf(downstreamDirectRemoteAddress),
    destination: addressOf(downstreamLocalAddress),
  };
}

function addressOf(address: Address | undefined): string {
  const socket = socketOf(address);
  if (!socket) return '';
  const { address: host, port } = socket;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
