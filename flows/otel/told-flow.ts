import type { Flow } from '../flow.ts';
import { knownMethod } from '../http-methods.ts';
import { summaryOf } from '../hubble/summary.ts';
import type { RelatedTraces } from '../tracing/related-traces.ts';
import { attributesOf, type FlowAttributes } from './attributes.ts';

/** A flow as OpenTelemetry is told of it, be it by a span or a log. */
export interface ToldFlow {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Of the same trace, where the application says by which span of its it has asked. */
  readonly parentSpanId?: string;
  /** In words, of few kinds. */
  readonly name: string;
  /** A request is its sender's, a response the server's, as in hubble-otel. */
  readonly kind: 'client' | 'server' | 'internal';
  /** Nanoseconds since 1970. */
  readonly begin: bigint;
  readonly end: bigint;
  /** Whether somebody was kept from something. */
  readonly isRefused: boolean;
  /** In one line. */
  readonly summary: string;
  readonly attributes: FlowAttributes;
}

/** @param traces has whose trace a flow is of */
export function toldFlow(flow: Flow, traces: RelatedTraces): ToldFlow {
  const latency = flow.l7?.type === 'response' ? (flow.l7.latency ?? 0n) : 0n;
  return {
    traceId: traces.traceOf(flow),
    // As any is: nobody else has this one.
    spanId: flow.uuid.replaceAll('-', '').slice(-16),
    ...(flow.parentSpanId !== undefined && { parentSpanId: flow.parentSpanId }),
    name: nameOf(flow),
    kind: flow.l7 === undefined ? 'internal' : flow.l7.type === 'request' ? 'client' : 'server',
    begin: flow.time - latency,
    end: flow.time,
    isRefused: flow.verdict === 'dropped' || flow.verdict === 'error',
    summary: lineOf(flow),
    attributes: attributesOf(flow),
  };
}

function nameOf({ l7, kind }: Flow): string {
  if (l7?.kind === 'http') return knownMethod(l7.method);
  return l7?.kind === 'kafka' ? l7.apiKey : (l7?.kind ?? kind);
}

function lineOf(flow: Flow): string {
  const [from, to] = [end(flow.source, flow.sourcePort), end(flow.destination, flow.destinationPort)];
  return `${from} -> ${to} ${summaryOf(flow)} (${flow.verdict})`;
}

function end({ namespace, pod, address }: Flow['source'], port: number): string {
  const who = pod === undefined ? address : `${namespace}/${pod}`;
  return port === 0 ? who : `${who}:${port}`;
}
