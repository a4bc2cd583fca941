import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { QuotaFailureSchema, RetryInfoSchema } from '@sluice/envoy-protos/google/rpc/error_details_pb.js';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { ExportLogsServiceResponseSchema } from '@sluice/envoy-protos/opentelemetry/proto/collector/logs/v1/logs_service_pb.js';
import { ExportTraceServiceResponseSchema } from '@sluice/envoy-protos/opentelemetry/proto/collector/trace/v1/trace_service_pb.js';
import { RelatedTraces, toldFlow } from '../flows/index.ts';
import { exampleFlow } from '../flows/testing/example-flow.ts';
import type { Collector } from '../model/index.ts';
import { logSender, spanSender } from './otlp-sender.ts';
import { logOf, resourceOf, spanOf } from './records.ts';
import type { Sent } from './ring-export.ts';
import { AnsweringCollector, type CollectorAnswer } from './testing/answering-collector.ts';

type Protocol = Collector['protocol'];

const MOST_BYTES = 20_000;
const FLOW = toldFlow(exampleFlow(), new RelatedTraces());
const LOG = logOf(FLOW, resourceOf({}));
const SPAN = spanOf(FLOW, resourceOf({}));

const IN_A_MINUTE = create(RetryInfoSchema, { retryDelay: durationFromMs(60_000) });

function refusal<Desc extends DescMessage>(code: status, schema?: Desc, detail?: MessageShape<Desc>): CollectorAnswer {
  if (!schema || !detail) return { error: { code } };
  const details = toBinary(StatusSchema, create(StatusSchema, { code, details: [anyPack(schema, detail)] }));
  return { error: { code, details } };
}

/** A collector's answers by gRPC and HTTP, and how many flows of 100 at a time it is asked with. `retryAfter`: in seconds. */
const CASES: readonly {
  name: string;
  protocol: Protocol;
  count?: number;
  answers?: readonly CollectorAnswer[];
  result: Sent['result'];
  retryAfter?: number;
}[] = [
  { name: 'taken', protocol: 'grpc', result: 'taken' },
  { name: 'too large', protocol: 'grpc', count: 100, result: 'too-large' },
  {
    ...{ name: 'no room for a while', protocol: 'grpc', result: 'failed', retryAfter: 60 },
    answers: [refusal(status.RESOURCE_EXHAUSTED, RetryInfoSchema, IN_A_MINUTE)],
  },
  {
    ...{ name: 'no room, and no word of when', protocol: 'grpc', result: 'too-large' },
    answers: [refusal(status.RESOURCE_EXHAUSTED, QuotaFailureSchema, create(QuotaFailureSchema))],
  },
  {
    ...{ name: 'no room, and words that nobody reads', protocol: 'grpc', result: 'too-large' },
    answers: [{ error: { code: status.RESOURCE_EXHAUSTED, details: Buffer.from('google.rpc.RetryInfo') } }],
  },
  { name: 'not allowed', protocol: 'grpc', answers: [refusal(status.PERMISSION_DENIED)], result: 'refused' },
  { name: 'not there', protocol: 'grpc', answers: [refusal(status.UNAVAILABLE)], result: 'failed' },
  {
    ...{ name: 'not there for a while', protocol: 'grpc', result: 'failed', retryAfter: 60 },
    answers: [refusal(status.UNAVAILABLE, RetryInfoSchema, IN_A_MINUTE)],
  },
  { name: 'taken', protocol: 'http', result: 'taken' },
  { name: 'taken when asked again', protocol: 'http', answers: [{ code: 503 }, {}], result: 'taken' },
  { name: 'too large', protocol: 'http', answers: [{ code: 413 }], result: 'too-large' },
  { name: 'not allowed', protocol: 'http', answers: [{ code: 403 }], result: 'refused' },
  ...[429, 502, 503, 504].map((code) => ({
    ...({ name: `${code} for a while`, protocol: 'http', result: 'failed', retryAfter: 60 } as const),
    answers: [{ code, headers: { 'retry-after': '60' } }],
  })),
  {
    ...{ name: 'not before a time', protocol: 'http', result: 'failed', retryAfter: 100 },
    answers: [{ code: 503, headers: { 'retry-after': new Date(Date.now() + 100_000).toUTCString() } }],
  },
];

describe('what a collector answers', () => {
  const cleanUp = new AsyncDisposableStack();
  let collector: AnsweringCollector;
  before(async () => {
    collector = cleanUp.use(await AnsweringCollector.start(MOST_BYTES));
  });
  after(() => cleanUp.disposeAsync());

  const optionsOf = (protocol: Protocol) => ({ endpoint: collector.endpoint(protocol), protocol, certificateAuthorities: '' });

  for (const { name, protocol, count = 1, answers = [{}], result, retryAfter } of CASES) {
    test(`${name}, by ${protocol}: ${result}`, async () => {
      collector.answers = answers;
      const { send, close } = logSender(optionsOf(protocol));
      const sent = await send(Array.from({ length: count }, () => LOG));
      close();
      assert.equal(sent.result, result);
      const asked = sent.result === 'failed' ? sent.retryAfterMs : undefined;
      if (retryAfter === undefined) return assert.equal(asked, undefined);
      // Dates have no milliseconds, and some time has gone by.
      assert.ok(asked !== undefined && asked <= retryAfter * 1_000 && asked > (retryAfter - 10) * 1_000, `${asked} ms`);
    });
  }

  for (const protocol of ['grpc', 'http'] as const) {
    test(`some of a batch is not taken, by ${protocol}`, async () => {
      const logs = create(ExportLogsServiceResponseSchema, { partialSuccess: { rejectedLogRecords: 2n, errorMessage: 'odd' } });
      collector.answers = [{ body: toBinary(ExportLogsServiceResponseSchema, logs) }, {}];
      const ofLogs = logSender(optionsOf(protocol));
      assert.deepEqual(await ofLogs.send([LOG, LOG, LOG]), { result: 'taken', refused: 2 });
      assert.deepEqual(await ofLogs.send([LOG]), { result: 'taken', refused: 0 }, 'that was of the other batch');
      ofLogs.close();
      const spans = create(ExportTraceServiceResponseSchema, { partialSuccess: { rejectedSpans: 1n } });
      collector.answers = [{ body: toBinary(ExportTraceServiceResponseSchema, spans) }];
      const ofSpans = spanSender(optionsOf(protocol));
      assert.deepEqual(await ofSpans.send([SPAN, SPAN]), { result: 'taken', refused: 1 });
      ofSpans.close();
    });
  }

  test('what others answer by HTTP says nothing of it', async () => {
    collector.answers = [{ code: 503, headers: { 'retry-after': '60' } }];
    await using other = await AnsweringCollector.start(MOST_BYTES);
    other.answers = [{ code: 403, headers: { 'retry-after': '90' } }];
    const [mine, others] = [logSender(optionsOf('http')), logSender({ ...optionsOf('http'), endpoint: other.endpoint('http') })];
    const [sent] = await Promise.all([mine.send([LOG]), others.send([LOG])]);
    for (const { close } of [mine, others]) close();
    assert.ok(sent.result === 'failed' && (sent.retryAfterMs ?? 0) <= 60_000, JSON.stringify(sent));
  });
});
