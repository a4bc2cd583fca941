import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Headers, readTraceContext, TRACE_HEADERS, type TraceContext } from './trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SHORT = '8448eb211c80319c';
const LONG_OF_SHORT = `0000000000000000${SHORT}`;
const SPAN = 'b7ad6b7169203331';
const ZEROS = '0'.repeat(32);
const KEPT: TraceContext = { traceId: TRACE, spanId: SPAN, sampled: true };
const DROPPED: TraceContext = { ...KEPT, sampled: false };
const OPEN: TraceContext = { traceId: TRACE, spanId: SPAN };

const CASES: readonly (readonly [what: string, headers: Headers, expected: TraceContext | undefined])[] = [
  ['none', {}, undefined],
  ['W3C', { traceparent: `00-${TRACE}-${SPAN}-01` }, KEPT],
  ['W3C, not kept', { traceparent: ` 00-${TRACE}-${SPAN}-02 ` }, DROPPED],
  ['W3C of a later version', { traceparent: `7e-${TRACE}-${SPAN}-01-more` }, KEPT],
  ['W3C with more than it has', { traceparent: `00-${TRACE}-${SPAN}-01-more` }, undefined],
  ['W3C of no version', { traceparent: `ff-${TRACE}-${SPAN}-01` }, undefined],
  ['W3C of zeros', { traceparent: `00-${ZEROS}-${SPAN}-01` }, undefined],
  ['W3C of no span', { traceparent: `00-${TRACE}-0000000000000000-01` }, undefined],
  ['W3C in capitals', { traceparent: `00-${TRACE.toUpperCase()}-${SPAN}-01` }, undefined],
  ['B3', { b3: `${TRACE}-${SPAN}-1` }, KEPT],
  ['B3 of 64 bits', { b3: `${SHORT}-${SPAN}-0` }, { ...DROPPED, traceId: LONG_OF_SHORT }],
  ['B3, to be decided', { b3: `${TRACE}-${SPAN}` }, OPEN],
  ['B3, debugged', { b3: `${TRACE}-${SPAN}-d-${SPAN}` }, KEPT],
  ['B3 that only says whether', { b3: '0' }, undefined],
  ['B3 in several', { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-sampled': '0' }, DROPPED],
  ['B3 in several, in capitals', { 'x-b3-traceid': SHORT.toUpperCase(), 'x-b3-flags': '1' }, { traceId: LONG_OF_SHORT, sampled: true }],
  ['B3 in several, without a trace', { 'x-b3-spanid': SPAN }, undefined],
  ['Jaeger', { 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, KEPT],
  [
    'Jaeger, short and escaped',
    { 'uber-trace-id': 'ab%3A1%3A0%3A0' },
    { traceId: 'ab'.padStart(32, '0'), spanId: '1'.padStart(16, '0'), sampled: false },
  ],
  ['Jaeger of zeros', { 'uber-trace-id': '0:1:0:1' }, undefined],
  [
    'OpenTracing',
    { 'ot-tracer-traceid': SHORT, 'ot-tracer-spanid': SPAN, 'ot-tracer-sampled': 'true' },
    { ...KEPT, traceId: LONG_OF_SHORT },
  ],
  ['OpenTracing, malformed', { 'ot-tracer-traceid': 'xyz' }, undefined],
  ['X-Ray', { 'x-amzn-trace-id': `Self=1-2-3; Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SPAN};Sampled=1` }, KEPT],
  ['X-Ray, to be decided', { 'x-amzn-trace-id': `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Sampled=?` }, { traceId: TRACE }],
  ['X-Ray without a root', { 'x-amzn-trace-id': `Parent=${SPAN}` }, undefined],
  ['the standard before others', { b3: `${SHORT}-${SPAN}-0`, traceparent: `00-${TRACE}-${SPAN}-01` }, KEPT],
  ['what can be read after what cannot', { traceparent: 'x', 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, KEPT],
];

describe('the trace that a request is of', () => {
  for (const [what, headers, expected] of CASES) test(what, () => assert.deepEqual(readTraceContext(headers), expected));

  test('whatever is in the headers, it is well formed or none', () => {
    const word = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fA-F:;=-]{0,60}$/));
    const headers = fc.record(Object.fromEntries(TRACE_HEADERS.map((name) => [name, word])), { requiredKeys: [] });
    fc.assert(
      fc.property(headers, (some) => {
        const found = readTraceContext(some);
        if (!found) return;
        assert.match(found.traceId, /^(?!0{32})[0-9a-f]{32}$/);
        if (found.spanId !== undefined) assert.match(found.spanId, /^(?!0{16})[0-9a-f]{16}$/);
      }),
      { numRuns: 2_000 },
    );
  });
});
