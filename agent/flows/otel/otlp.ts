import { readFileSync } from 'node:fs';
import { credentials, Metadata } from '@grpc/grpc-js';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { type IOtlpExportDelegate, OTLPExporterError } from '@opentelemetry/otlp-exporter-base';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { createOtlpGrpcExportDelegate } from '@opentelemetry/otlp-grpc-exporter-base';
import {
  type ISerializer,
  LogsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Collector } from '../../../model/index.ts';
import type { Sent } from './flow-export.ts';

const LIMITS = { timeoutMillis: 10_000, concurrencyLimit: 1, compression: 'gzip' } as const;

/** Sends batches to a collector, one at a time. */
export interface OtlpSender<T> {
  send(batch: readonly T[]): Promise<Sent>;
  close(): Promise<void>;
}

/** @throws Error where the file of authorities cannot be read */
export function spanSender(collector: Collector): OtlpSender<ReadableSpan> {
  const refusals = new Refusals();
  const serializer = counting(ProtobufTraceSerializer, refusals, ({ partialSuccess }) => partialSuccess?.rejectedSpans);
  const [helper, path] = [TraceExporterMetricsHelper, '/opentelemetry.proto.collector.trace.v1.TraceService/Export'];
  const delegate = isGrpc(collector)
    ? createOtlpGrpcExportDelegate(
        grpcOptions(collector),
        serializer,
        'otlp_grpc_span_exporter',
        helper,
        undefined,
        'TraceExportService',
        path,
      )
    : createOtlpHttpExportDelegate(httpOptions(collector, 'v1/traces'), serializer, 'otlp_http_span_exporter', helper, undefined);
  return sender(delegate, refusals);
}

/** @throws Error where the file of authorities cannot be read */
export function logSender(collector: Collector): OtlpSender<ReadableLogRecord> {
  const refusals = new Refusals();
  const serializer = counting(ProtobufLogsSerializer, refusals, ({ partialSuccess }) => partialSuccess?.rejectedLogRecords);
  const [helper, path] = [LogsExporterMetricsHelper, '/opentelemetry.proto.collector.logs.v1.LogsService/Export'];
  const delegate = isGrpc(collector)
    ? createOtlpGrpcExportDelegate(
        grpcOptions(collector),
        serializer,
        'otlp_grpc_log_exporter',
        helper,
        undefined,
        'LogsExportService',
        path,
      )
    : createOtlpHttpExportDelegate(httpOptions(collector, 'v1/logs'), serializer, 'otlp_http_log_exporter', helper, undefined);
  return sender(delegate, refusals);
}

function isGrpc({ protocol }: Collector): boolean {
  return protocol === 'grpc';
}

function grpcOptions({ endpoint, headers = {}, certificateAuthorities }: Collector) {
  const url = new URL(endpoint);
  const isSecure = url.protocol === 'https:';
  const authorities = isSecure ? readFileSync(certificateAuthorities) : undefined;
  return {
    ...LIMITS,
    url: url.host,
    metadata: () => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      return metadata;
    },
    credentials: () => (authorities ? credentials.createSsl(authorities) : credentials.createInsecure()),
  };
}

function httpOptions({ endpoint, headers = {}, certificateAuthorities }: Collector, path: string) {
  const authorities = endpoint.startsWith('https:') ? { ca: readFileSync(certificateAuthorities) } : {};
  return {
    ...LIMITS,
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

function sender<T>(delegate: IOtlpExportDelegate<T[]>, refusals: Refusals): OtlpSender<T> {
  return {
    send: async (batch) => {
      const result = await new Promise<ExportResult>((resolve) => delegate.export([...batch], resolve));
      return judge(result, refusals.count);
    },
    close: () => delegate.shutdown(),
  };
}

function judge({ code, error }: ExportResult, refused: number): Sent {
  if (code === ExportResultCode.SUCCESS) return { result: 'taken', refused };
  const message = error?.message || 'the collector does not answer';
  return { result: isWorthAnother(error) ? 'failed' : 'refused', message };
}

/** @see https://opentelemetry.io/docs/specs/otlp/#failures */
const HTTP_RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const GRPC_REFUSALS: ReadonlySet<number> = new Set([2, 3, 5, 6, 7, 9, 12, 13, 16]);

function isWorthAnother(error: Error | undefined): boolean {
  const code: unknown = error && Reflect.get(error, 'code');
  if (typeof code !== 'number') return true;
  return error instanceof OTLPExporterError ? HTTP_RETRYABLE.has(code) : !GRPC_REFUSALS.has(code);
}
