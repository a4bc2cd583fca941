import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { API, exampleFlow, WEB } from '../testing/example-flow.ts';
import { RelatedTraces } from './related-traces.ts';

const MINUTE = 60_000_000_000n;
const SAID = 'ab'.repeat(16);
const BACK = { source: API, destination: WEB, sourcePort: 8080, destinationPort: 40_000 } as const;

describe('flows of one trace', () => {
  test('both ways of a connection are', () => {
    const traces = new RelatedTraces();
    const traceId = traces.traceOf(exampleFlow());
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.equal(traces.traceOf(exampleFlow(BACK)), traceId);
  });

  for (const [what, fields] of [
    ['another port', { sourcePort: 40_001 }],
    ['another protocol', { protocol: 17 }],
    ['an address that is somebody else’s by now', { source: { ...WEB, identity: 999 } }],
    ['a request of it', { requestId: 'a' }],
  ] as const) {
    test(`${what} is not`, () => {
      const traces = new RelatedTraces();
      assert.notEqual(traces.traceOf(exampleFlow(fields)), traces.traceOf(exampleFlow()));
    });
  }

  test('a request and its response are, and others of the connection are not', () => {
    const traces = new RelatedTraces();
    const first = traces.traceOf(exampleFlow({ requestId: 'a' }));
    assert.notEqual(traces.traceOf(exampleFlow({ requestId: 'b' })), first);
    assert.equal(traces.traceOf(exampleFlow({ ...BACK, requestId: 'a' })), first);
  });

  test('what an application says is, and what follows', () => {
    const traces = new RelatedTraces();
    traces.traceOf(exampleFlow());
    assert.equal(traces.traceOf(exampleFlow({ traceId: SAID })), SAID);
    assert.equal(traces.traceOf(exampleFlow(BACK)), SAID);
  });

  test('what an application says of a request is not of its connection, which has others', () => {
    const traces = new RelatedTraces();
    const connection = traces.traceOf(exampleFlow());
    assert.equal(traces.traceOf(exampleFlow({ requestId: 'a', traceId: SAID })), SAID);
    assert.equal(traces.traceOf(exampleFlow({ ...BACK, requestId: 'a' })), SAID);
    assert.equal(traces.traceOf(exampleFlow({ kind: 'connection-ended' })), connection);
  });

  test('for twenty minutes after the last', () => {
    const traces = new RelatedTraces();
    const at = (minutes: bigint) => traces.traceOf(exampleFlow({ time: minutes * MINUTE }));
    const traceId = at(0n);
    assert.equal(at(20n), traceId);
    assert.equal(at(40n), traceId);
    assert.notEqual(at(61n), traceId);
  });

  test('as long as there are not too many others', () => {
    const traces = new RelatedTraces(2);
    const of = (sourcePort: number) => traces.traceOf(exampleFlow({ sourcePort }));
    const [first, second] = [of(1), of(2)];
    assert.equal(of(1), first);
    of(3);
    assert.equal(traces.size, 2);
    assert.equal(of(1), first);
    assert.notEqual(of(2), second);
  });
});
