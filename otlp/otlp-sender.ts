import { readFileSync } from 'node:fs';
import { credentials, Metadata } from '@grpc/grpc-js';
import type { ExportResult } from '@opentelemetry/core';
import type { IOtlpExportDelegate } from '@opentelemetry/otlp-exporter-base';
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
import { judgeAnswer } from './judge-answer.ts';
import { RetryAfter } from './retry-after.ts';
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
  const retryAfter = options.protocol === 'http' ? new RetryAfter(urlOf(options, signal.path)) : undefined;
  return {
    send: async (batch) => {
      const result = await new Promise<ExportResult>((resolve) => delegate.export([...batch], resolve));
      return judgeAnswer(result, { refused: refusals.count, retryAfterMs: retryAfter?.milliseconds });
    },
    close: () => {
      retryAfter?.close();
      void delegate.shutdown();
    },
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

function urlOf({ endpoint }: SenderOptions, path: string): string {
  return `${endpoint.replace(/\/$/, '')}/${path}`;
}

function httpOptions(options: SenderOptions, path: string) {
  const { endpoint, headers = {}, certificateAuthorities, compression = 'none' } = options;
  const authorities = endpoint.startsWith('https:') ? { ca: readFileSync(certificateAuthorities) } : {};
  return {
    ...LIMITS,
    compression,
    url: urlOf(options, path),
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
