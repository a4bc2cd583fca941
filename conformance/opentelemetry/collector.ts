import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { eventually } from '../../testkit/eventually.ts';
import { collectorBinary } from './program.ts';

export interface CollectorOptions {
  /** For its settings. */
  readonly folder: string;
  /** How a program is started where it is to run. */
  readonly spawn: (command: readonly string[]) => ChildProcess;
  /** Where it listens. */
  readonly address: string;
  readonly ports: { readonly grpc: number; readonly http: number };
  /** Files of PEM. Default: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether it only counts what it is told, which costs it little. Default: false. */
  readonly countsOnly?: boolean;
}

const textView = z.looseObject({}).transform((value) => String(Object.values(value)[0] ?? ''));
const listView = z.object({ arrayValue: z.object({ values: z.array(textView).default([]) }) });
/** A list is its values, with commas. */
const valueView = z.union([listView.transform(({ arrayValue }) => arrayValue.values.join(',')), textView]);
const attributesView = z.array(z.object({ key: z.string(), value: valueView })).default([]);
const resourceView = z.object({ attributes: attributesView }).prefault({});
const spanView = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.int().default(0),
  attributes: attributesView,
});
const spansView = z.object({
  resourceSpans: z.array(z.object({ resource: resourceView, scopeSpans: z.array(z.object({ spans: z.array(spanView).default([]) })) })),
});
const logView = z.object({
  traceId: z.string().default(''),
  body: valueView.optional(),
  severityText: z.string().default(''),
  attributes: attributesView,
});
const logsView = z.object({
  resourceLogs: z.array(z.object({ resource: resourceView, scopeLogs: z.array(z.object({ logRecords: z.array(logView).default([]) })) })),
});

type Attributes = Readonly<Record<string, string>>;
export interface CollectedSpan extends Omit<z.infer<typeof spanView>, 'attributes' | 'kind'> {
  readonly kind: 'internal' | 'server' | 'client' | 'other';
  readonly attributes: Attributes;
  readonly resource: Attributes;
}
export interface CollectedLog extends Omit<z.infer<typeof logView>, 'attributes'> {
  readonly attributes: Attributes;
  readonly resource: Attributes;
}

/** As OTLP counts them. */
const KINDS = ['other', 'internal', 'server', 'client'] as const;
/** Two of them may start at a time, on a machine that has others. */
const STARTS_WITHIN = { withinMs: 60_000 };

/** A real collector of OpenTelemetry. */
export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly logs: CollectedLog[] = [];
  /** What came in the header `x-token`. */
  readonly tokens = new Set<string>();
  /** Of one that counts only: how many spans and logs it was told. */
  counted = 0;
  /** All that it wrote of what it was told. */
  text = '';
  readonly #process: ChildProcess;
  #said = '';
  #unread = '';

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
  }

  /** Resolves when it listens. */
  static async start(options: CollectorOptions): Promise<Collector> {
    const config = join(options.folder, `collector-${options.ports.grpc}.yaml`);
    writeFileSync(config, JSON.stringify(configOf(options)));
    const collector = new Collector(options.spawn([await collectorBinary(), '--config', config]));
    await eventually(() => {
      if (!collector.#said.includes('Everything is ready')) throw new Error(`the collector is not ready:\n${collector.#said}`);
    }, STARTS_WITHIN);
    return collector;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  #read(text: string): void {
    this.text += text;
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('counted ')) {
        this.counted += Number(line.slice('counted '.length));
        continue;
      }
      if (line.startsWith('token ')) {
        this.tokens.add(line.slice('token '.length));
        continue;
      }
      const json: unknown = JSON.parse(line.slice(line.indexOf(' ')));
      if (line.startsWith('spans ')) this.spans.push(...spansOf(json));
      else this.logs.push(...logsOf(json));
    }
  }
}

function spansOf(json: unknown): CollectedSpan[] {
  return spansView.parse(json).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        ...span,
        kind: KINDS[span.kind] ?? 'other',
        attributes: textsOf(span.attributes),
        resource: textsOf(resource.attributes),
      })),
  );
}

function logsOf(json: unknown): CollectedLog[] {
  return logsView
    .parse(json)
    .resourceLogs.flatMap(({ resource, scopeLogs }) =>
      scopeLogs
        .flatMap(({ logRecords }) => logRecords)
        .map((log) => ({ ...log, attributes: textsOf(log.attributes), resource: textsOf(resource.attributes) })),
    );
}

function textsOf(attributes: z.infer<typeof attributesView>): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value]));
}

function configOf({ address, ports, tls, countsOnly = false }: CollectorOptions): object {
  const host = address.includes(':') ? `[${address}]` : address;
  const own = { ...(tls && { tls: { cert_file: tls.cert, key_file: tls.key } }), include_metadata: true };
  const pipeline = { receivers: ['otlp'], exporters: ['lines'] };
  return {
    receivers: {
      otlp: { protocols: { grpc: { endpoint: `${host}:${ports.grpc}`, ...own }, http: { endpoint: `${host}:${ports.http}`, ...own } } },
    },
    exporters: { lines: { count_only: countsOnly } },
    service: { pipelines: { traces: pipeline, logs: pipeline }, telemetry: { metrics: { level: 'none' } } },
  };
}
