/** Of which trace a request is, and by which span of it it was sent. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all of them 0. */
  readonly traceId: string;
  /** 16 of the same; absent where nobody says. */
  readonly spanId?: string;
  /** Whether the trace is kept; absent where that is still to be decided. */
  readonly sampled?: boolean;
}

/** Values of headers, by their names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

type Reader = (headers: Headers) => TraceContext | undefined;

/** The first that is there counts: what is a standard goes before what is a product's. */
const READERS: readonly Reader[] = [readTraceparent, readB3, readB3Headers, readJaeger, readOpenTracing, readXRay];

/** The headers that are looked at, for whoever has to log them. */
export const TRACE_HEADERS: readonly string[] = [
  'traceparent',
  'b3',
  ...['x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled', 'x-b3-flags'],
  'uber-trace-id',
  ...['ot-tracer-traceid', 'ot-tracer-spanid', 'ot-tracer-sampled'],
  'x-amzn-trace-id',
];

/** The trace that a request says it is of. What is malformed says nothing, and the next kind of header is looked at. */
export function readTraceContext(headers: Headers): TraceContext | undefined {
  for (const read of READERS) {
    const found = read(headers);
    if (found) return found;
  }
  return undefined;
}

const TRACEPARENT = /^(?<version>[0-9a-f]{2})-(?<trace>[0-9a-f]{32})-(?<span>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<more>-.*)?$/;

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
function readTraceparent({ traceparent = '' }: Headers): TraceContext | undefined {
  const { version = '', trace, span, flags = '', more } = TRACEPARENT.exec(traceparent.trim())?.groups ?? {};
  // Later versions may have more at the end, this one has not; ff is none.
  if (version === 'ff' || (version === '00' && more !== undefined) || isZero(span)) return undefined;
  return contextOf(trace, span, (Number.parseInt(flags, 16) & 1) === 1);
}

const B3 = /^(?<trace>[0-9a-f]{32}|[0-9a-f]{16})-(?<span>[0-9a-f]{16})(?:-(?<sampled>[01d]))?(?:-[0-9a-f]{16})?$/i;

/** @see https://github.com/openzipkin/b3-propagation#single-header */
function readB3({ b3 = '' }: Headers): TraceContext | undefined {
  const { trace, span, sampled } = B3.exec(b3.trim())?.groups ?? {};
  return contextOf(trace, span, sampled === undefined ? undefined : sampled !== '0');
}

const B3_TRACE = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/i;
const SPAN = /^[0-9a-f]{16}$/i;

/** @see https://github.com/openzipkin/b3-propagation#multiple-headers */
function readB3Headers(headers: Headers): TraceContext | undefined {
  const [trace = '', span] = [headers['x-b3-traceid'], headers['x-b3-spanid']];
  if (!B3_TRACE.test(trace)) return undefined;
  const sampled = readSampled(headers['x-b3-sampled']);
  return contextOf(trace, span, headers['x-b3-flags'] === '1' ? true : sampled);
}

const JAEGER = /^(?<trace>[0-9a-f]{1,32}):(?<span>[0-9a-f]{1,16}):[0-9a-f]{1,16}:(?<flags>[0-9a-f]{1,2})$/i;

/** @see https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format */
function readJaeger(headers: Headers): TraceContext | undefined {
  const value = (headers['uber-trace-id'] ?? '').trim().replaceAll(/%3a/gi, ':');
  const { trace, span, flags = '' } = JAEGER.exec(value)?.groups ?? {};
  return contextOf(trace, span, (Number.parseInt(flags, 16) & 1) === 1);
}

/** @see https://github.com/opentracing/basictracer-go/blob/master/propagation_ot.go */
function readOpenTracing(headers: Headers): TraceContext | undefined {
  const [trace = '', span] = [headers['ot-tracer-traceid'], headers['ot-tracer-spanid']];
  if (!B3_TRACE.test(trace)) return undefined;
  return contextOf(trace, span, readSampled(headers['ot-tracer-sampled']));
}

const ROOT = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/i;

/** @see https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader */
function readXRay(headers: Headers): TraceContext | undefined {
  const parts = (headers['x-amzn-trace-id'] ?? '').split(';').map((part) => part.trim().split('='));
  const fields = new Map(parts.map(([name = '', value = '']) => [name.toLowerCase(), value]));
  const [, time, rest] = ROOT.exec(fields.get('root') ?? '') ?? [];
  if (time === undefined || rest === undefined) return undefined;
  return contextOf(`${time}${rest}`, fields.get('parent'), readSampled(fields.get('sampled')));
}

function readSampled(value: string | undefined): boolean | undefined {
  if (value === '1' || value === 'true') return true;
  return value === '0' || value === 'false' ? false : undefined;
}

function isZero(digits: string | undefined): boolean {
  return digits === undefined || /^0*$/.test(digits);
}

function contextOf(trace: string | undefined, span: string | undefined, sampled: boolean | undefined): TraceContext | undefined {
  if (trace === undefined || isZero(trace)) return undefined;
  const padded = span?.padStart(16, '0').toLowerCase();
  return {
    traceId: trace.padStart(32, '0').toLowerCase(),
    ...(padded !== undefined && SPAN.test(padded) && !isZero(padded) && { spanId: padded }),
    ...(sampled !== undefined && { sampled }),
  };
}
