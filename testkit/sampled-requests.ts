import assert from 'node:assert/strict';
import { type Answer, echoOf } from './http-request.ts';

const [TRACE, SPAN] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

interface SampledRequest {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether it is told of, by how many percent of those without a trace are. */
  readonly isTold: Readonly<Record<0 | 100, boolean>>;
}

const BY_RATE = { 0: false, 100: true };
const ALWAYS = { 0: true, 100: true };
const NEVER = { 0: false, 100: false };

const parent = (flags: string) => ({ traceparent: `00-${TRACE}-${SPAN}-${flags}` });
/** What a request of a sampled trace has. */
export const SAMPLED = parent('01');
/** By which Envoy would decide if it were asked, and cannot where it is no UUID. */
const id = (value: string) => ({ 'x-request-id': value });
const WORD = id('order-4711');
/** What Envoy takes for an order, of whom it takes for its own. */
const ORDER = { 'x-envoy-force-trace': '1', 'x-client-trace-id': '1' };

/** Requests of who may have Envoy trace them by headers of its own, and which of them are told of. */
export const SAMPLED_REQUESTS: readonly SampledRequest[] = [
  { name: 'without a trace', headers: {}, isTold: BY_RATE },
  { name: 'without a trace, with an id that is no UUID', headers: WORD, isTold: BY_RATE },
  { name: 'without a trace, with the least UUID', headers: id('00000000-0000-4000-8000-000000000000'), isTold: BY_RATE },
  { name: 'without a trace, with a UUID that Envoy traced', headers: id('ffffffff-ffff-9fff-8fff-ffffffffffff'), isTold: BY_RATE },
  { name: "without a trace, with Envoy's orders", headers: ORDER, isTold: BY_RATE },
  { name: 'of a trace that cannot be read', headers: { traceparent: 'x' }, isTold: BY_RATE },
  { name: 'without a trace that is not to be sampled', headers: { b3: '0' }, isTold: NEVER },
  { name: 'of a sampled trace', headers: SAMPLED, isTold: ALWAYS },
  { name: 'of a sampled trace, with an id that is no UUID', headers: { ...SAMPLED, ...WORD }, isTold: ALWAYS },
  { name: 'of a trace that is not sampled', headers: parent('00'), isTold: NEVER },
  { name: "of a trace that is not sampled, with Envoy's orders", headers: { ...parent('00'), ...ORDER }, isTold: NEVER },
];

/** Where chance decides of half of the requests that are sent, one in 10^12 runs has fewer of either than this. */
export const MANY = { sent: 300, least: 90 } as const;

/** What a backend hears. */
export function sentOn(answer: Answer) {
  const { traceparent, 'x-request-id': requestId } = echoOf(answer).headers;
  const [, , spanId = '', flags] = String(traceparent).split('-');
  assert.notEqual(spanId, SPAN, 'Envoy has no span of it');
  return { spanId, isSampled: flags === '01', requestId };
}
