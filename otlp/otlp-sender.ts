import { readFileSync } from 'node:fs';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { type IOtlpExportDelegate, OTLPExporterError } from '@opentelemetry/otlp-exporter-base';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { createOtlpGrpcExportDelegate } from '@opentelemetry/otlp-grpc-exporter-base';
import {
  type IExporterMetricsHelper,
  type IExportLogsServiceResponse,
  type IExportTraceServiceResponse,
  type ISerializer,
  LogsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { type Collector, collectorAddress } from '../model/index.ts';
import type { Sent } from './ring-export.ts';

const LIMITS = { timeoutMillis: 10_000, concurrencyLimit: 1 } as const;

export interface SenderOptions extends Collector {
  /** Default `none`. */
  readonly compression?: 'none' | 'gzip';
}

/** Sends batches to a collector, one at a time. */
export interface OtlpSender<T> {
  send(batch: readonly T[]): Promise<Sent>;
  /** What is under way is not waited for, nor ended: nothing is to be sent afterwards. */
  close(): void;
}

/** What differs by what is told. */
interface Signal<T, Response> {
  readonly serializer: ISerializer<T[], Response>;
  /** How many of a batch the collector says that it does not take. */
  readonly refused: (response: Response) => number | undefined;
  readonly metrics: IExporterMetricsHelper<T[]>;
  readonly service: 'Trace' | 'Logs';
  readonly path: string;
  readonly name: 'span' | 'log';
}

const SPANS: Signal<ReadableSpan, IExportTraceServiceResponse> = {
  serializer: ProtobufTraceSerializer,
  refused: ({ partialSuccess }) => partialSuccess?.rejectedSpans,
  metrics: TraceExporterMetricsHelper,
  service: 'Trace',
  path: 'v1/traces',
  name: 'span',
};

const LOGS: Signal<ReadableLogRecord, IExportLogsServiceResponse> = {
  serializer: ProtobufLogsSerializer,
  refused: ({ partialSuccess }) => partialSuccess?.rejectedLogRecords,
  metrics: LogsExporterMetricsHelper,
  service: 'Logs',
  path: 'v1/logs',
  name: 'log',
};

/** @throws Error where the file of authorities cannot be read */
export function spanSender(options: SenderOptions): OtlpSender<ReadableSpan> {
  return sender(options, SPANS);
}

/** @throws Error where the file of authorities cannot be read */
export function logSender(options: SenderOptions): OtlpSender<ReadableLogRecord> {
  return sender(options, LOGS);
}

function sender<T, Response>(options: SenderOptions, signal: Signal<T, Response>): OtlpSender<T> {
  const refusals = new Refusals();
  const delegate = delegateOf(options, signal, counting(signal.serializer, refusals, signal.refused));
  return {
    send: async (batch) => {
      const result = await new Promise<ExportResult>((resolve) => delegate.export([...batch], resolve));
      return judge(result, refusals.count);
    },
    close: () => void delegate.shutdown(),
  };
}

function delegateOf<T, Response>(
  options: SenderOptions,
  { metrics, service, path, name }: Signal<T, Response>,
  serializer: ISerializer<T[], Response>,
): IOtlpExportDelegate<T[]> {
  if (options.protocol === 'http')
    return createOtlpHttpExportDelegate(httpOptions(options, path), serializer, `otlp_http_${name}_exporter`, metrics, undefined);
  const method = `/opentelemetry.proto.collector.${service.toLowerCase()}.v1.${service}Service/Export`;
  return createOtlpGrpcExportDelegate(
    grpcOptions(options),
    serializer,
    `otlp_grpc_${name}_exporter`,
    metrics,
    undefined,
    `${service}ExportService`,
    method,
  );
}

function grpcOptions(options: SenderOptions) {
  const { headers = {}, certificateAuthorities, compression = 'none' } = options;
  const { host, port, isSecure } = collectorAddress(options);
  const authorities = isSecure ? readFileSync(certificateAuthorities) : undefined;
  return {
    ...LIMITS,
    compression,
    url: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    metadata: () => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      return metadata;
    },
    credentials: () => (authorities ? credentials.createSsl(authorities) : credentials.createInsecure()),
  };
}

function httpOptions({ endpoint, headers = {}, certificateAuthorities, compression = 'none' }: SenderOptions, path: string) {
  const authorities = endpoint.startsWith('https:') ? { ca: readFileSync(certificateAuthorities) } : {};
  return {
    ...LIMITS,
    compression,
    url: `${endpoint.replace(/\/$/, '')}/${path}`,
    headers: () => Promise.resolve({ 'content-type': 'application/x-protobuf', ...headers }),
    agentFactory: httpAgentFactoryFromOptions({ keepAlive: true, ...authorities }),
  };
}

/** How many of the last batch the collector said that it does not take. */
class Refusals {
  count = 0;
}

function counting<Request, Response>(
  serializer: ISerializer<Request, Response>,
  refusals: Refusals,
  refused: (response: Response) => number | undefined,
): ISerializer<Request, Response> {
  return {
    serializeRequest: (request) => {
      refusals.count = 0;
      return serializer.serializeRequest(request);
    },
    deserializeResponse: (data) => {
      const response = serializer.deserializeResponse(data);
      refusals.count = Number(refused(response) ?? 0);
      return response;
    },
  };
}

function judge({ code, error }: ExportResult, refused: number): Sent {
  if (code === ExportResultCode.SUCCESS) return { result: 'taken', refused };
  return { result: resultOf(error), message: error?.message || 'the collector does not answer' };
}

/** @see https://opentelemetry.io/docs/specs/otlp/#failures */
const HTTP_RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const HTTP_TOO_LARGE = 413;
const GRPC_REFUSALS: ReadonlySet<number> = new Set([2, 3, 5, 6, 7, 9, 12, 13, 16]);

function resultOf(error: Error | undefined): 'failed' | 'refused' | 'too-large' {
  const code: unknown = error && Reflect.get(error, 'code');
  if (typeof code !== 'number') return 'failed';
  if (error instanceof OTLPExporterError) return code === HTTP_TOO_LARGE ? 'too-large' : HTTP_RETRYABLE.has(code) ? 'failed' : 'refused';
  // Who has no room for a while says how long; who says nothing of that takes no message of this size.
  if (code === Number(status.RESOURCE_EXHAUSTED)) return error && hasRetryInfo(error) ? 'failed' : 'too-large';
  return GRPC_REFUSALS.has(code) ? 'refused' : 'failed';
}

function hasRetryInfo(error: Error): boolean {
  const metadata: unknown = Reflect.get(error, 'metadata');
  return (
    metadata instanceof Metadata && metadata.get('grpc-status-details-bin').some((details) => details.includes('google.rpc.RetryInfo'))
  );
}
