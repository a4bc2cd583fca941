import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ExportLogsServiceRequestSchema } from '@sluice/envoy-protos/opentelemetry/proto/collector/logs/v1/logs_service_pb.js';
import { ExportTraceServiceRequestSchema } from '@sluice/envoy-protos/opentelemetry/proto/collector/trace/v1/trace_service_pb.js';
import type { KeyValue } from '@sluice/envoy-protos/opentelemetry/proto/common/v1/common_pb.js';
import { type LogRecord, SeverityNumber } from '@sluice/envoy-protos/opentelemetry/proto/logs/v1/logs_pb.js';
import { type Span, Span_SpanKind, Status_StatusCode } from '@sluice/envoy-protos/opentelemetry/proto/trace/v1/trace_pb.js';
import { RelatedTraces, type ToldFlow, toldFlow } from '../flows/index.ts';
import { exampleFlow, exampleResponse } from '../flows/testing/example-flow.ts';
import { logSender, spanSender } from './otlp-sender.ts';
import { logOf, resourceOf, spanOf } from './records.ts';
import { AnsweringCollector } from './testing/answering-collector.ts';

const TRACE = 'ab'.repeat(16);
const PARENT = '0123456789abcdef';
/** More than a double tells apart. */
const TIME = 1_790_000_000_123_456_789n;
const told = (flow: Parameters<typeof toldFlow>[0]) => toldFlow(flow, new RelatedTraces());
const ANSWER = { ...exampleResponse(200), time: TIME };
assert.ok(ANSWER.l7?.kind === 'http');
const RESPONSE = told({ ...ANSWER, traceId: TRACE, parentSpanId: PARENT });
const REQUEST = told({ ...ANSWER, l7: { ...ANSWER.l7, type: 'request' } });
const DROPPED = told(exampleFlow({ kind: 'packet-dropped', verdict: 'dropped', reason: 'dropped-denied', time: TIME }));

describe('as a collector reads them', () => {
  const cleanUp = new AsyncDisposableStack();
  let collector: AnsweringCollector;
  before(async () => {
    collector = cleanUp.use(await AnsweringCollector.start(1_000_000));
  });
  after(() => cleanUp.disposeAsync());

  const RESOURCE = resourceOf({ 'service.name': 'sluice-flows' });
  const options = () => ({ endpoint: collector.endpoint('http'), protocol: 'http', certificateAuthorities: '' }) as const;

  async function spanIn(flow: ToldFlow): Promise<Span> {
    const { send, close } = spanSender(options());
    await send([spanOf(flow, RESOURCE)]);
    close();
    const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, collector.received);
    assert.deepEqual(textsOf(resourceSpans[0]?.resource?.attributes), { 'service.name': 'sluice-flows' });
    const [span, ...others] = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
    assert.ok(span && others.length === 0);
    return span;
  }

  async function logIn(flow: ToldFlow): Promise<LogRecord> {
    const { send, close } = logSender(options());
    await send([logOf(flow, RESOURCE)]);
    close();
    const { resourceLogs } = fromBinary(ExportLogsServiceRequestSchema, collector.received);
    assert.deepEqual(textsOf(resourceLogs[0]?.resource?.attributes), { 'service.name': 'sluice-flows' });
    const [log, ...others] = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
    assert.ok(log && others.length === 0);
    return log;
  }

  for (const [what, flow, kind, length] of [
    ['a request is its client’s', REQUEST, Span_SpanKind.CLIENT, 0n],
    ['a response is the server’s, and as long as it took', RESPONSE, Span_SpanKind.SERVER, 2_500_000n],
    ['what was dropped is of neither', DROPPED, Span_SpanKind.INTERNAL, 0n],
  ] as const) {
    test(`spans: ${what}`, async () => {
      const span = await spanIn(flow);
      assert.deepEqual([span.kind, span.startTimeUnixNano, span.endTimeUnixNano, span.name], [kind, TIME - length, TIME, flow.name]);
      assert.deepEqual([hex(span.traceId), hex(span.spanId)], [flow.traceId, flow.spanId]);
      assert.deepEqual(Object.keys(textsOf(span.attributes)).sort(), Object.keys(flow.attributes).sort());
    });
  }

  test('spans: below whose they are, and sampled', async () => {
    const [below, first] = [await spanIn(RESPONSE), await spanIn(REQUEST)];
    assert.deepEqual([hex(below.parentSpanId), hex(first.parentSpanId), below.flags & 1, first.flags & 1], [PARENT, '', 1, 1]);
  });

  test('spans: what was refused is an error', async () => {
    assert.equal((await spanIn(DROPPED)).status?.code, Status_StatusCode.ERROR);
    assert.equal((await spanIn(RESPONSE)).status?.code ?? Status_StatusCode.UNSET, Status_StatusCode.UNSET);
  });

  for (const [what, flow, severity, text] of [
    ['what passed is for information', RESPONSE, SeverityNumber.INFO, 'INFO'],
    ['what was refused is a warning', DROPPED, SeverityNumber.WARN, 'WARN'],
  ] as const) {
    test(`logs: ${what}`, async () => {
      const log = await logIn(flow);
      assert.deepEqual([log.severityNumber, log.severityText, log.eventName], [severity, text, 'hubble.flow']);
      assert.deepEqual([log.timeUnixNano, log.observedTimeUnixNano, log.flags & 1], [TIME, TIME, 1]);
      assert.deepEqual([hex(log.traceId), hex(log.spanId), log.body?.value.value], [flow.traceId, flow.spanId, flow.summary]);
      assert.deepEqual(Object.keys(textsOf(log.attributes)).sort(), Object.keys(flow.attributes).sort());
    });
  }
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function textsOf(attributes: readonly KeyValue[] = []): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, String(value?.value.value)]));
}
