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

function scene(...nodes: readonly string[]) {
  const spans: ChangeSpan[] = [];
  const connected = new Set(nodes);
  const traces = new ChangeTraces(
    (span) => spans.push(span),
    () => connected,
  );
  return { spans, connected, traces, answered: () => spans.filter(({ name }) => name === 'acknowledge').length };
}

test('a change is a trace: what it went through, and when each node had answered', () => {
  const { spans, traces } = scene('node-1', 'node-2');
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
  const { traces, answered } = scene('node-1');
  for (const revision of [1, 2, 3]) traces.changed(changed(revision));
  traces.synced('node-1', 2);
  assert.equal(answered(), 2);
  traces.synced('node-1', 2);
  assert.equal(answered(), 2);
  traces.synced('node-1', 3);
  assert.equal(answered(), 3);
});

test('what came to nothing is not told of, and what nobody answers is forgotten', () => {
  const { spans, traces } = scene('node-1');
  traces.changed(changed(1, { isEmpty: true }));
  assert.deepEqual(spans, []);
  for (let revision = 2; revision < 1_002; revision++) traces.changed(changed(revision));
  spans.length = 0;
  traces.synced('node-1', 2_000);
  assert.equal(spans.length, 256);
});

test('a node that comes later, or was away, tells of what was published since', () => {
  const { traces, connected, answered } = scene('node-1');
  for (const revision of [1, 2]) traces.changed(changed(revision));
  connected.add('node-2');
  traces.synced('node-2', 2);
  assert.equal(answered(), 0);
  connected.delete('node-1');
  traces.changed(changed(3));
  connected.add('node-1');
  traces.synced('node-1', 3);
  assert.equal(answered(), 0);
  traces.changed(changed(4));
  for (const node of connected) traces.synced(node, 4);
  assert.equal(answered(), 3);
});

test('times are those of the clock as it is, not as it was when the process began', (t) => {
  const { spans, traces } = scene('node-1');
  const now = Date.now() + 3_600_000;
  t.mock.method(Date, 'now', () => now);
  traces.changed(changed(1));
  traces.synced('node-1', 1);
  for (const { end } of spans) assert.ok(Math.abs(Number(end / 1_000_000n) - now) < 60_000);
});
