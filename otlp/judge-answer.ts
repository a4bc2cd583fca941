import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, durationMs } from '@bufbuild/protobuf/wkt';
import { Metadata, status } from '@grpc/grpc-js';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { OTLPExporterError } from '@opentelemetry/otlp-exporter-base';
import { type RetryInfo, RetryInfoSchema } from '@sluice/envoy-protos/google/rpc/error_details_pb.js';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import type { Sent } from './ring-export.ts';

/** What a collector said besides of whether it took a batch. */
export interface AnswerContext {
  /** How many of the batch it does not take. */
  readonly refused: number;
  /** By HTTP: how long it wants to be left alone. */
  readonly retryAfterMs: number | undefined;
}

const HTTP_TOO_LARGE = 413;

/** What will be answered in the same way whenever it is asked. */
const GRPC_REFUSALS: ReadonlySet<number> = new Set<status>([
  status.UNKNOWN,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAUTHENTICATED,
]);

/** What became of a batch, by what OpenTelemetry's exporter says of it. @see https://opentelemetry.io/docs/specs/otlp/#failures */
export function judgeAnswer({ code, error }: ExportResult, { refused, retryAfterMs }: AnswerContext): Sent {
  if (code === ExportResultCode.SUCCESS) return { result: 'taken', refused };
  const message = error?.message || 'the collector does not answer';
  const answered: unknown = error && Reflect.get(error, 'code');
  // HTTP's statuses that are worth another try have none: the exporter has tried them by then.
  if (typeof answered !== 'number') return failed(message, retryAfterMs);
  if (error instanceof OTLPExporterError) return { result: answered === HTTP_TOO_LARGE ? 'too-large' : 'refused', message };
  const retry = error && retryInfoOf(error);
  // Who has no room for a while says how long; who says nothing of that takes no message of this size.
  if (answered === Number(status.RESOURCE_EXHAUSTED) && !retry) return { result: 'too-large', message };
  if (GRPC_REFUSALS.has(answered)) return { result: 'refused', message };
  return failed(message, retry?.retryDelay && durationMs(retry.retryDelay));
}

function failed(message: string, retryAfterMs: number | undefined): Sent {
  return { result: 'failed', message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** @see https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto */
function retryInfoOf(error: Error): RetryInfo | undefined {
  const metadata: unknown = Reflect.get(error, 'metadata');
  const [bytes] = metadata instanceof Metadata ? metadata.get('grpc-status-details-bin') : [];
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const infos = fromBinary(StatusSchema, bytes).details.map((detail) => anyUnpack(detail, RetryInfoSchema));
    return infos.find((info) => info !== undefined);
  } catch {
    // What cannot be read says nothing.
    return undefined;
  }
}
