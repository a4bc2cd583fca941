import { fromBinary } from '@bufbuild/protobuf';
import type { StreamAccessLogsMessage } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import { StreamAccessLogsMessageSchema } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import type { Call, RpcMethod, StreamHandler } from '../../xds-server/serve/index.ts';
import { FailureSeldom } from '../failure-seldom.ts';

/** @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/accesslog/v3/als.proto */
export const ACCESS_LOG_METHODS: readonly RpcMethod[] = [{ path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs' }];

/** What an Envoy has logged, in the order in which it has. */
export type LogEntries = StreamAccessLogsMessage['logEntries'];

export interface AccessLogHearer {
  /** @param log its name: that of a slot, of what the slot denies, or `REQUEST_LOG`, of all else */
  hear(log: string, entries: LogEntries): void;
  /** There was a message that could not be read, or that it failed over; how much it would have told of is not known. */
  miss?(): void;
}

/** Hears of requests and connections from the node's Envoy. What one hearer fails over, the others hear all the same. */
export class AccessLogIntake implements StreamHandler<RpcMethod> {
  readonly #hearers: AccessLogHearer[] = [];
  readonly #calls = new Set<Call>();
  readonly #failures: FailureSeldom;

  /** @param onFailure told of what could not be read, or what a hearer threw; of one in a minute */
  constructor(onFailure: (error: Error) => void) {
    this.#failures = new FailureSeldom(onFailure);
  }

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
    if (message instanceof Error) {
      for (const hearer of this.#hearers) hearer.miss?.();
      this.#failures.note(message);
      return before;
    }
    const log = message.identifier?.logName ?? before;
    for (const hearer of this.#hearers) this.#tell(hearer, log, message.logEntries);
    return log;
  }

  #tell(hearer: AccessLogHearer, log: string, entries: LogEntries): void {
    try {
      hearer.hear(log, entries);
    } catch (error) {
      this.#failures.note(error);
      hearer.miss?.();
    }
  }
}

function decoded(bytes: Buffer): StreamAccessLogsMessage | Error {
  try {
    return fromBinary(StreamAccessLogsMessageSchema, bytes);
  } catch (cause) {
    return new Error('what Envoy tells of its requests cannot be read', { cause });
  }
}
