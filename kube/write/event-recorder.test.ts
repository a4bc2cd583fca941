import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import type { Severity } from '../../model/index.ts';
import { ManualClock } from '../../testkit/manual-clock.ts';
import type { ApiRequest } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import type { EventFinding } from './event.ts';
import { EventRecorder } from './event-recorder.ts';

const event = z.looseObject({ metadata: z.object({ name: z.string(), namespace: z.string() }), note: z.string() });

/** An API server that keeps Events; `fail` may throw before it does. */
function scene(fail: (request: ApiRequest) => void = () => {}) {
  const clock = new ManualClock();
  const events = new Map<string, z.output<typeof event>>();
  const requests: ApiRequest[] = [];
  const client = {
    request: async (request: ApiRequest) => {
      requests.push(request);
      fail(request);
      if (request.method === 'POST') {
        const made = event.parse(request.body);
        if (events.has(made.metadata.name)) throw new ApiError('already-exists', 'it exists');
        events.set(made.metadata.name, made);
        return made;
      }
      const name = request.path.split('/').at(-1) ?? '';
      const found = events.get(name);
      if (found === undefined) throw new ApiError('not-found', 'it is gone');
      if (request.method === 'PATCH') events.set(name, { ...found, ...z.looseObject({}).parse(request.body) });
      return events.get(name);
    },
  };
  const wallClock = () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5) + clock.now());
  const recorder = (instance = 'sluice-0') => new EventRecorder({ client, instance, clock, wallClock });
  const leadership = { signal: new AbortController().signal, isHeld: () => true };
  return { clock, events, requests, recorder, leadership };
}

function found(name: string, options: { severity?: Severity; message?: string; kind?: string; namespace?: string } = {}): EventFinding {
  const { severity = 'error', message = 'there is no Service "web"', kind = 'Ingress', namespace = 'shop' } = options;
  const object = { kind, namespace, name };
  return { uid: `uid-of-${name}`, diagnostic: { severity, code: 'ServiceNotFound', message, object, path: ['spec', 'rules', 0] } };
}

describe('EventRecorder', () => {
  test('tells a finding with its place on its object', async () => {
    const { clock, events, recorder, leadership } = scene();
    const one = recorder();
    one.resume(leadership);
    one.sync([found('web')]);
    await clock.pass(0);
    const [[name, told] = []] = events;
    assert.match(name ?? '', /^web\.[0-9a-f]{20}$/);
    assert.deepEqual(told, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: 'shop', name },
      eventTime: '2026-01-02T03:04:05.000000Z',
      reportingController: 'sluice.io/controller',
      reportingInstance: 'sluice-0',
      regarding: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace: 'shop', name: 'web', uid: 'uid-of-web' },
      note: 'spec.rules[0]: there is no Service "web"',
      reason: 'ServiceNotFound',
      action: 'Ingest',
      type: 'Warning',
    });
  });

  test('tells the same by one Event, however many find it, and again while it lasts', async () => {
    const { clock, events, recorder, leadership } = scene();
    for (const instance of ['sluice-0', 'sluice-1']) {
      const one = recorder(instance);
      one.resume(leadership);
      for (let times = 0; times < 3; times += 1) one.sync([found('web')]);
      await clock.pass(0);
    }
    await clock.pass(29 * 60_000);
    assert.deepEqual(
      Array.from(events.values(), ({ series }) => series),
      [{ count: 2, lastObservedTime: '2026-01-02T03:04:05.000000Z' }],
    );
    await clock.pass(60_000);
    assert.deepEqual(
      Array.from(events.values(), ({ series }) => series),
      [{ count: 4, lastObservedTime: '2026-01-02T03:34:05.000000Z' }],
    );
    events.clear();
    await clock.pass(30 * 60_000);
    assert.equal(events.size, 1);
  });

  test('writes nothing about what has been mended, or is merely worth knowing', async () => {
    const { clock, requests, recorder, leadership } = scene();
    const one = recorder();
    one.sync([found('web'), found('other', { severity: 'info' })]);
    assert.equal(one.waiting, 1);
    one.sync([]);
    one.resume(leadership);
    await clock.pass(3_600_000);
    assert.equal(requests.length, 0);
  });

  test('keeps to its budget, errors first', async () => {
    const { clock, events, requests, recorder, leadership } = scene();
    const one = recorder();
    one.sync(Array.from({ length: 10_000 }, (_, i) => found(`i${i}`, { severity: i % 200 === 0 ? 'error' : 'warning' })));
    one.resume(leadership);
    await clock.pass(0);
    assert.equal(requests.length, 50);
    assert.ok([...events.keys()].every((name) => /^i\d*00\.|^i0\./.test(name)));
    await clock.pass(100_000);
    assert.equal(requests.length, 150);
    assert.equal(one.waiting, 9_850);
  });

  test('puts an Event on a cluster-scoped object into the namespace default, and keeps notes short', async () => {
    const { clock, events, recorder, leadership } = scene();
    const one = recorder();
    one.resume(leadership);
    one.sync([found('c'.repeat(253), { kind: 'IngressClass', namespace: '', message: 'ä'.repeat(2_000) })]);
    await clock.pass(0);
    const [[name = '', told] = []] = events;
    assert.deepEqual([name.length, told?.metadata.namespace], [253, 'default']);
    const bytes = Buffer.byteLength(told?.note ?? '');
    assert.ok(bytes > 1_020 && bytes <= 1_024, `${bytes} bytes`);
  });

  test('comes back to what could not be sent, and leaves what was refused', async () => {
    let isAway = true;
    const { clock, events, requests, recorder, leadership } = scene(({ body }) => {
      if (isAway) throw new ApiError('unreachable', 'nobody answers');
      if (JSON.stringify(body).includes('refused')) throw new ApiError('forbidden', 'the namespace is ending');
    });
    const one = recorder();
    one.resume(leadership);
    one.sync([found('refused'), found('kept')]);
    await clock.pass(35_000);
    assert.equal(requests.length, 4);
    isAway = false;
    await clock.pass(60_000);
    assert.deepEqual(Array.from(events.values(), ({ note }) => note).length, 1);
    assert.equal(requests.length, 6);
  });
});
