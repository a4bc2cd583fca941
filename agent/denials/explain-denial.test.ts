import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { HTTPAccessLogEntrySchema } from '@sluice/envoy-protos/envoy/data/accesslog/v3/accesslog_pb.js';
import { StreamAccessLogsMessageSchema } from '@sluice/envoy-protos/envoy/service/accesslog/v3/als_pb.js';
import type { SlotRules } from '../../model/index.ts';
import { type Denial, DenialLog } from './denial-log.ts';
import { explainDenial } from './explain-denial.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

type Request = NonNullable<Exclude<MessageInitShape<typeof HTTPAccessLogEntrySchema>, { $typeName: string }>['request']>;

function hear(log: DenialLog, request: Request): void {
  const { logEntries } = create(StreamAccessLogsMessageSchema, {
    logEntries: { case: 'httpLogs', value: { logEntry: [create(HTTPAccessLogEntrySchema, { request })] } },
  });
  log.hear('ingress/1', logEntries);
}

function denialOf(request: Request): Denial {
  const log = new DenialLog();
  hear(log, { requestId: 'a-b', ...request });
  const denial = log.find('a-b');
  assert.ok(denial);
  return denial;
}

const source = { object: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'api' }, path: ['spec'] };
const RULES = {
  kind: 'http',
  rules: [{ source, headers: [], path: { regex: '/public', source }, host: { regex: 'api', source } }],
} as const satisfies SlotRules;
const explain = (request: Request) => explainDenial(denialOf(request), JSON.stringify(RULES));

describe('why a request was denied', () => {
  for (const path of ['/a?token=secret', '/ä"b?token=secret', '/a\\b?token=secret', '/?secret#secret', '/a#secret']) {
    test(`is told of ${path} without what may be secret`, () => {
      const explanation = explain({ path, authority: 'ann:secret@shop' });
      assert.equal(explanation.verdict, 'nearest');
      assert.match(explanation.text, /host shop is not api .*path "?\/.*\?\*{3}"? is not \/public/);
      assert.doesNotMatch(JSON.stringify(explanation), /secret/);
      assert.partialDeepStrictEqual(explanation, { host: 'shop' });
    });
  }

  test('is judged by all of it', () => {
    const rules = { ...RULES, rules: [{ source, headers: [], path: { regex: '/a\\?token=secret', source } }] };
    const explanation = explainDenial(denialOf({ path: '/a?token=secret' }), JSON.stringify(rules));
    assert.equal(explanation.verdict, 'allowed');
  });

  for (const [what, request] of [
    ['path', { path: `/${'a'.repeat(200_000)}`, authority: 'api' }],
    ['host', { path: '/public', authority: `${'a'.repeat(200_000)}.shop` }],
    ['method', { path: '/', authority: 'api', requestHeaders: { ':method': 'M'.repeat(200_000) } }],
  ] as const satisfies readonly (readonly [string, Request])[]) {
    test(`is not known where its ${what} is too long to be kept`, () => {
      const explanation = explain(request);
      assert.equal(explanation.verdict, 'unknown');
      assert.match(explanation.text, /^it is too long to be kept/);
      assert.ok(JSON.stringify(explanation).length < 3_000);
    });
  }
});

test('long words of clients take little memory, and are found by their beginning', () => {
  const log = new DenialLog();
  collect();
  const before = process.memoryUsage().heapUsed;
  const idOf = (index: number) => `${index}-${'i'.repeat(100_000)}`;
  for (let index = 0; index < 200; index++) hear(log, { requestId: idOf(index), path: `/${index}?${'q'.repeat(200_000)}` });
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 10_000_000, `${grown} bytes`);
  assert.partialDeepStrictEqual(log.find(idOf(7)), { kind: 'request', isCut: true });
});
