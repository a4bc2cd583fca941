import { SeverityNumber, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { ToldFlow } from '../../../flows/index.ts';

const NANOSECONDS = 1_000_000_000n;
const SCOPE = { name: 'sluice' };
const NONE = { droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 } as const;
const KINDS = { client: SpanKind.CLIENT, server: SpanKind.SERVER, internal: SpanKind.INTERNAL } as const satisfies Record<
  ToldFlow['kind'],
  SpanKind
>;

export type FlowResource = ReturnType<typeof resourceFromAttributes>;

/** Who tells, for all records that it tells of. */
export function flowResource(attributes: Readonly<Record<string, string>>): FlowResource {
  return resourceFromAttributes({ ...attributes });
}

/** What a span is made of. */
export type ToldSpan = Omit<ToldFlow, 'summary'>;

/** A span that is over and sampled. */
export function spanOf(span: ToldSpan, resource: FlowResource): ReadableSpan {
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

/** A log of when the flow was over, in its trace; what was refused is a warning. */
export function logOf({ traceId, spanId, end, isRefused, summary, attributes }: ToldFlow, resource: FlowResource): ReadableLogRecord {
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
