import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fromBinary } from '@bufbuild/protobuf';
import { ExportTraceServiceRequestSchema } from '@sluice/envoy-protos/opentelemetry/proto/collector/trace/v1/trace_service_pb.js';
import { Span_SpanKind } from '@sluice/envoy-protos/opentelemetry/proto/trace/v1/trace_pb.js';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly kind: 'server' | 'client' | 'other';
  readonly name: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Who is told spans by OpenTelemetry's protocol on HTTP, on a port of 127.0.0.1. */
export class SpanReceiver implements AsyncDisposable {
  readonly port: number;
  readonly spans: readonly ReceivedSpan[];
  /** Of each request. */
  readonly headers: readonly NodeJS.Dict<string | string[]>[];
  readonly #server: Server;

  private constructor(server: Server, port: number, received: Pick<SpanReceiver, 'spans' | 'headers'>) {
    this.#server = server;
    this.port = port;
    this.spans = received.spans;
    this.headers = received.headers;
  }

  static async start(port = 0): Promise<SpanReceiver> {
    const [spans, headers]: [ReceivedSpan[], NodeJS.Dict<string | string[]>[]] = [[], []];
    const server = createServer((request, response) => {
      headers.push({ ...request.headers, ':path': request.url });
      void buffer(request).then((body) => {
        spans.push(...read(body));
        response.setHeader('content-type', 'application/x-protobuf').end();
      });
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new SpanReceiver(server, addressOf(server).port, { spans, headers });
  }

  /** Those of a trace, from the one whose parent that is: each is the parent of the next. */
  chain(traceId: string, parent: string): readonly ReceivedSpan[] {
    const next = this.spans.find((span) => span.traceId === traceId && span.parentSpanId === parent);
    return next ? [next, ...this.chain(traceId, next.spanId)] : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address;
}

const KINDS: ReadonlyMap<Span_SpanKind, ReceivedSpan['kind']> = new Map([
  [Span_SpanKind.SERVER, 'server'],
  [Span_SpanKind.CLIENT, 'client'],
]);

function read(body: Buffer): ReceivedSpan[] {
  const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, body);
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId),
        kind: KINDS.get(span.kind) ?? 'other',
        name: span.name,
        resource: textsOf(resource?.attributes ?? []),
        attributes: textsOf(span.attributes),
      })),
    ),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

type Attributes = readonly { readonly key: string; readonly value?: { readonly value: { readonly value?: unknown } } | undefined }[];

function textsOf(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, String(value?.value.value)]));
}
