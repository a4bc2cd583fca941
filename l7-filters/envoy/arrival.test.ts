import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { HeaderMismatch } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf, requestHttp1, requestHttp2 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { type HttpRequest, judgeRequest, normalizeRequest, passOn } from '../http/index.ts';
import { statusesOf, talkRaw } from './testing/raw-talk.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpRule, httpSlot, type RuleText } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const HOST = 'web.test';

interface Case {
  /** What is sent, beside Host. */
  readonly sent: HttpRequest['headers'];
  /** What the only rule asks for: a header, and its value if that matters. */
  readonly asks: string;
  readonly value?: string;
  /** Default: `deny`. */
  readonly mismatch?: HeaderMismatch;
  readonly status: 200 | 400 | 403;
  /** What the server gets. Default: what is sent. */
  readonly seen?: HttpRequest['headers'];
  /** Whether only HTTP/1 has such headers. */
  readonly isHttp1?: true;
}

const PRIVATE = ['x-forwarded-for', '10.0.0.1'] as const;
const ROLE = ['x-role', 'user'] as const;

/** Envoy sets these where they are missing. */
const SET_BY_ENVOY = ['x-request-id', 'x-forwarded-proto'].flatMap((name): readonly Case[] => [
  { sent: [], asks: name, status: 403 },
  { sent: [[name, '']], asks: name, status: 403 },
  { sent: [[name, 'a']], asks: name, status: 200 },
  { sent: [], asks: name, value: 'http', status: 403 },
  { sent: [[name, 'a']], asks: name, value: 'a', status: 200 },
  { sent: [[name, 'b']], asks: name, value: 'a', status: 403 },
  { sent: [], asks: 'x-none', mismatch: 'log', status: 200, seen: [] },
  { sent: [[name, '']], asks: 'x-none', mismatch: 'log', status: 200, seen: [] },
  { sent: [[name, 'a']], asks: name, value: 'b', mismatch: 'add', status: 200, seen: [[name, 'a,b']] },
  { sent: [], asks: name, value: 'b', mismatch: 'add', status: 200, seen: [[name, 'b']] },
  { sent: [[name, 'b']], asks: name, value: 'b', mismatch: 'add', status: 200 },
  { sent: [], asks: name, mismatch: 'add', status: 200, seen: [] },
  { sent: [[name, 'a']], asks: name, value: 'b', mismatch: 'replace', status: 200, seen: [[name, 'b']] },
  { sent: [], asks: name, value: 'b', mismatch: 'replace', status: 200, seen: [[name, 'b']] },
  { sent: [[name, 'a']], asks: name, value: 'b', mismatch: 'delete', status: 200, seen: [] },
  { sent: [[name, 'b']], asks: name, value: 'b', mismatch: 'delete', status: 200 },
  { sent: [], asks: name, value: 'b', mismatch: 'delete', status: 200, seen: [] },
  { sent: [[`x-sluice-${name.slice(2)}`, 'a']], asks: name, status: 403 },
]);

/** By these Envoy would be told what to do, by whoever it takes for one of its own. */
const DIRECTIVES = [
  ...['internal', 'force-trace', 'ip-tags', 'original-url', 'expected-rq-timeout-ms', 'hedge-on-per-try-timeout'],
  ...['retry-on', 'retry-grpc-on', 'max-retries', 'retriable-status-codes', 'retriable-header-names'],
  ...['upstream-alt-stat-name', 'upstream-rq-timeout-ms', 'upstream-rq-per-try-timeout-ms'],
  ...['upstream-rq-timeout-alt-response', 'upstream-stream-duration-ms'],
].flatMap((name): readonly Case[] => [
  { sent: [[`x-envoy-${name}`, '1'], PRIVATE], asks: `x-envoy-${name}`, status: 403 },
  { sent: [[`x-envoy-${name}`, '1'], PRIVATE], asks: 'x-none', mismatch: 'log', status: 200, seen: [PRIVATE] },
]);

/** Added by nobody, and nobody's to change. */
const PASSED_ON = [
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-client-cert', 'forwarded', 'via', 'user-agent', 'server'],
  ...['x-envoy-external-address', 'x-envoy-attempt-count', 'x-envoy-original-path', 'x-envoy-decorator-operation', 'x-envoy-other'],
  ...['x-envoy-downstream-service-cluster', 'x-envoy-original-dst-host', 'x-client-trace-id', 'traceparent', 'grpc-timeout', 'cookie'],
].flatMap((name): readonly Case[] => [
  { sent: [], asks: name, status: 403 },
  { sent: [[name, '1']], asks: name, value: '1', status: 200 },
]);

const http1 = (sent: HttpRequest['headers'], asks: string, more: Omit<Case, 'sent' | 'asks' | 'isHttp1'>): Case => ({
  ...{ sent, asks, isHttp1: true },
  ...more,
});
const HOP_BY_HOP: readonly Case[] = [
  ...['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te'].flatMap((name) => [
    http1([[name, 'a']], name, { status: 403 }),
    http1([[name, 'a']], 'x-none', { mismatch: 'log', status: 200, seen: [] }),
  ]),
  http1([['TE', 'trailers']], 'te', { value: 'trailers', status: 200 }),
  http1([['te', 'deflate, trailers']], 'te', { value: 'trailers', status: 200, seen: [['te', 'trailers']] }),
  http1([['te', 'trailers;q=0.5']], 'te', { status: 403 }),
  http1([ROLE, ['connection', 'close, X-Role']], 'x-role', { status: 403 }),
  http1([ROLE, ['connection', 'X-Role']], 'x-none', { mismatch: 'log', status: 200, seen: [] }),
  http1([ROLE, ['connection', 'keep-alive']], 'x-role', { status: 200, seen: [ROLE] }),
  http1(
    [
      ['x-request-id', 'a'],
      ['connection', 'x-request-id'],
    ],
    'x-request-id',
    { status: 403 },
  ),
  http1(
    [
      ['te', 'trailers'],
      ['connection', 'te'],
    ],
    'te',
    { status: 200, seen: [['te', 'trailers']] },
  ),
  http1(
    [
      ['x-forwarded-proto', 'a'],
      ['connection', 'x-forwarded-proto'],
    ],
    'x-forwarded-proto',
    { status: 400 },
  ),
  http1([['connection', 'x-forwarded-for']], 'x-forwarded-for', { status: 400 }),
  http1([['connection', 'host']], 'host', { status: 400 }),
];

const OTHERS: readonly Case[] = [
  { sent: [], asks: 'host', status: 200 },
  { sent: [], asks: 'host', value: HOST, status: 200 },
  { sent: [], asks: 'host', value: 'other.test', status: 403 },
  { sent: [], asks: 'content-length', status: 403 },
  { sent: [], asks: 'transfer-encoding', status: 403 },
  { sent: [], asks: 'date', status: 403 },
  { sent: [], asks: 'accept', status: 403 },
];

const CASES = [...SET_BY_ENVOY, ...DIRECTIVES, ...PASSED_ON, ...HOP_BY_HOP, ...OTHERS];

function ruleOf({ asks, value, mismatch = 'deny' }: Case, index: number): RuleText {
  const wanted = value === undefined ? {} : { value: { kind: 'literal', text: value } as const };
  return { path: `/${index}`, headers: [{ name: asks, mismatch, ...wanted }] };
}

describe('headers as rules find them, and as servers get them', needs('envoy'), () => {
  const rules = CASES.map(ruleOf);
  let tapped: TappedBackend;
  let scene: SlotScene;
  let port = 0;

  before(async () => {
    tapped = await TappedBackend.start();
    port = await freePort();
    scene = await SlotScene.start([{ slot: httpSlot('arrival', rules), port, backendPort: tapped.port }]);
    await eventually(() => requestHttp1({ port, host: HOST }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await tapped?.[Symbol.asyncDispose]();
  });

  for (const [index, { sent, seen = sent, status, isHttp1, asks, value, mismatch }] of CASES.entries()) {
    const name = `${JSON.stringify(sent)} where ${[asks, value, mismatch].filter((each) => each !== undefined).join(' ')} is asked for: ${status}`;
    const asked: HttpRequest = { method: 'GET', path: `/${index}`, host: HOST, headers: sent };

    test(`HTTP/1.1, ${name}`, async () => {
      tapped.takeRaw();
      const lines = sent.map(([header, text]) => `${header}: ${text}\r\n`).join('');
      const received = await talkRaw(port, `GET /${index} HTTP/1.1\r\nHost: ${HOST}\r\n${lines}\r\n`, (so) => statusesOf(so).length > 0);
      assert.deepEqual(statusesOf(received), [status]);
      // Of requests over HTTP/2 before, something may come late.
      const [, request] = tapped.takeRaw().split(`GET /${index} `);
      assert.deepEqual(request && headersIn(request), status === 200 ? sorted(seen) : undefined);
    });

    if (!isHttp1) {
      test(`HTTP/2, ${name}`, async () => {
        const answer = await requestHttp2({ port, host: HOST, path: `/${index}`, headers: Object.fromEntries(sent) });
        assert.equal(answer.status, status);
        if (status !== 200) return;
        const got = Object.entries(echoOf(answer).headers).filter(([header]) => !header.startsWith(':'));
        assert.deepEqual(sorted(got.map(([header, text]) => [header, String(text)])), sorted(seen));
      });
    }

    test(`judged, ${name}`, () => {
      const httpRules = rules.map(httpRule);
      const normal = normalizeRequest(asked, SLOT_OPTIONS.http);
      if (normal.kind !== 'request') return assert.equal(status, 400);
      const { decision } = judgeRequest(httpRules, normal.request, SLOT_OPTIONS.http);
      assert.equal(decision, status === 200 ? 'allow' : 'deny');
      if (status !== 200) return;
      const passed = passOn(httpRules, normal.request, SLOT_OPTIONS.http).headers;
      assert.deepEqual(sorted(joined(passed)), sorted(seen));
    });
  }

  test('Envoy takes all of it', () => assert.deepEqual(scene.refusals, []));
});

function headersIn(raw: string): HttpRequest['headers'] {
  const [, ...lines] = raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const);
  return sorted(headers.filter(([name]) => name !== 'Host'));
}

function sorted(headers: HttpRequest['headers']): HttpRequest['headers'] {
  return headers.map(([name, value]) => [name.toLowerCase(), value] as const).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Those of equal names as one, and without what is empty where that counts as missing. */
function joined(headers: HttpRequest['headers']): HttpRequest['headers'] {
  const values = Map.groupBy(headers, ([name]) => name.toLowerCase());
  const whole = [...values].map(([name, all]) => [name, all.map(([, value]) => value).join(',')] as const);
  return whole.filter(([name, value]) => value !== '' || !['x-request-id', 'x-forwarded-proto'].includes(name));
}
