import { fromBinary } from '@bufbuild/protobuf';
import type { StreamAccessLogsMessage } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import { StreamAccessLogsMessageSchema } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import type { Call, RpcMethod, StreamHandler } from '../../xds-server/serve/index.ts';

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/accesslog/v3/als.proto */
export const ACCESS_LOG_METHODS: readonly RpcMethod[] = [{ path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs' }];

/** What an Envoy has logged, in the order in which it has. */
export type LogEntries = StreamAccessLogsMessage['logEntries'];

/** @param log its name: that of a slot, of what the slot denies, or `REQUEST_LOG`, of all else */
export type AccessLogHearer = (log: string, entries: LogEntries) => void;

/** Hears of requests and connections from the node's Envoy. */
export class AccessLogIntake implements StreamHandler<RpcMethod> {
  readonly #hearers: AccessLogHearer[] = [];
  readonly #calls = new Set<Call>();

  /** Who hears from now on. */
  add(hearer: AccessLogHearer): void {
    this.#hearers.push(hearer);
  }

  serve(call: Call): void {
    // Only the first message of a stream says what it is about.
    let log = '';
    this.#calls.add(call);
    call.on('data', (bytes: Buffer) => {
      log = this.#take(bytes, log);
    });
    call.on('end', () => call.end());
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#calls.delete(call));
  }

  endStreams(): void {
    for (const call of this.#calls) call.end();
  }

  #take(bytes: Buffer, before: string): string {
    const message = decoded(bytes);
    if (!message) return before;
    const log = message.identifier?.logName ?? before;
    for (const hear of this.#hearers) hear(log, message.logEntries);
    return log;
  }
}

/** What cannot be read is lost to people who ask, and to nobody else. */
function decoded(bytes: Buffer): StreamAccessLogsMessage | undefined {
  try {
    return fromBinary(StreamAccessLogsMessageSchema, bytes);
  } catch {
    return undefined;
  }
}
