import { SeverityNumber, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { ToldFlow } from '../flows/index.ts';

const NANOSECONDS = 1_000_000_000n;
const SCOPE = { name: 'sluice' };
const NONE = { droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 } as const;
const KINDS = { client: SpanKind.CLIENT, server: SpanKind.SERVER, internal: SpanKind.INTERNAL } as const satisfies Record<
  ToldFlow['kind'],
  SpanKind
>;

export type OtlpResource = ReturnType<typeof resourceFromAttributes>;

/** Who tells. */
export function resourceOf(attributes: Readonly<Record<string, string>>): OtlpResource {
  return resourceFromAttributes({ ...attributes });
}

/** What a span is made of. */
export type ToldSpan = Omit<ToldFlow, 'summary'>;

/** As OpenTelemetry's own senders take it; one that ended, and is kept. */
export function spanOf(span: ToldSpan, resource: OtlpResource): ReadableSpan {
  const { traceId, spanId, parentSpanId, name, kind, begin, end, isRefused, attributes } = span;
  return {
    ...(parentSpanId !== undefined && { parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED } }),
    name,
    kind: KINDS[kind],
    spanContext: () => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED }),
    startTime: timeOf(begin),
    endTime: timeOf(end),
    duration: timeOf(end - begin),
    status: { code: isRefused ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: SCOPE,
    ...NONE,
  };
}

/** The same, with a severity by whether somebody was kept from something. */
export function logOf({ traceId, spanId, end, isRefused, summary, attributes }: ToldFlow, resource: OtlpResource): ReadableLogRecord {
  return {
    hrTime: timeOf(end),
    hrTimeObserved: timeOf(end),
    spanContext: { traceId, spanId, traceFlags: TraceFlags.SAMPLED },
    severityNumber: isRefused ? SeverityNumber.WARN : SeverityNumber.INFO,
    severityText: isRefused ? 'WARN' : 'INFO',
    eventName: 'hubble.flow',
    body: summary,
    resource,
    instrumentationScope: SCOPE,
    attributes,
    droppedAttributesCount: 0,
  };
}

function timeOf(nanoseconds: bigint): [number, number] {
  return [Number(nanoseconds / NANOSECONDS), Number(nanoseconds % NANOSECONDS)];
}
