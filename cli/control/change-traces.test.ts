import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangedEvent } from '../../controller/controller.ts';
import { type ChangeSpan, ChangeTraces } from './change-traces.ts';

const NAME = { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'web' };
const REF = { kind: 'Ingress', namespace: 'shop', name: 'web' };

function changed(revision: number, { isEmpty = false } = {}): ChangedEvent {
  const seenAt = performance.now();
  return {
    kind: 'changed',
    batch: { upserts: [], removals: [REF], diagnostics: [], timing: { seenAt, readMs: 1 } },
    change: { upserts: [], removals: isEmpty ? [] : [NAME] },
    revision,
    timing: { readMs: 1, ingestMs: 2, translateMs: 3, publishMs: 4 },
  };
}

function scene() {
  const spans: ChangeSpan[] = [];
  return { spans, traces: new ChangeTraces((span) => spans.push(span)) };
}

test('a change is a trace: what it went through, and when each node had answered', () => {
  const { spans, traces } = scene();
  traces.changed(changed(7));
  traces.synced('node-1', 7);
  traces.synced('node-2', 6);
  traces.synced('node-2', 7);
  const [root, ...parts] = spans;
  assert.equal(root?.parentSpanId, undefined);
  assert.deepEqual(root?.attributes, {
    'sluice.objects': 1,
    'sluice.object_names': ['Ingress shop/web'],
    'sluice.resources': 1,
    'sluice.revision': 7,
  });
  assert.deepEqual(
    parts.map(({ name, attributes }) => [name, attributes['sluice.node']]),
    [
      ['read', undefined],
      ['ingest', undefined],
      ['translate', undefined],
      ['publish', undefined],
      ['acknowledge', 'node-1'],
      ['acknowledge', 'node-2'],
    ],
  );
  assert.ok(parts.every(({ traceId, parentSpanId }) => traceId === root?.traceId && parentSpanId === root.spanId));
  const lengths = parts.slice(0, 4).map(({ begin, end }) => Math.round(Number(end - begin) / 1e6));
  assert.deepEqual(lengths, [1, 2, 3, 4]);
});

test('a node answers each change once, and several at a time', () => {
  const { spans, traces } = scene();
  for (const revision of [1, 2, 3]) traces.changed(changed(revision));
  const answered = () => spans.filter(({ name }) => name === 'acknowledge').length;
  traces.synced('node-1', 2);
  assert.equal(answered(), 2);
  traces.synced('node-1', 2);
  assert.equal(answered(), 2);
  traces.synced('node-1', 3);
  assert.equal(answered(), 3);
});

test('what came to nothing is not told of, and what nobody answers is forgotten', () => {
  const { spans, traces } = scene();
  traces.changed(changed(1, { isEmpty: true }));
  assert.deepEqual(spans, []);
  for (let revision = 2; revision < 1_002; revision++) traces.changed(changed(revision));
  spans.length = 0;
  traces.synced('node-1', 2_000);
  assert.equal(spans.length, 256);
});
