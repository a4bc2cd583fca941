import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { statusesOf, talkRaw } from './testing/raw-talk.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const HOST = 'Host: web.test\r\n';
const FORBIDDEN = `GET /forbidden HTTP/1.1\r\n${HOST}\r\n`;

interface Case {
  readonly name: string;
  /** As latin1. */
  readonly sent: string;
  /** Of all final answers. */
  readonly answers: readonly number[];
  /** The request lines that the server sees. Default: none. */
  readonly seen?: readonly string[];
  /** What else it sees. */
  readonly header?: RegExp;
  /** Whether Envoy is to close the connection. */
  readonly closes?: true;
}

function get(path: string, rest = ''): string {
  return `GET ${path} HTTP/1.1\r\n${HOST}${rest}\r\n`;
}

function post(headers: string, body: string): string {
  return `POST /public/a HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
}

const passes = (sent: string, seen: string): Case => ({
  name: JSON.stringify(sent.slice(0, 60)),
  sent,
  answers: [200],
  seen: [`${seen} HTTP/1.1`],
});
const path = (text: string, answer: number): Case => ({ name: text, sent: get(text), answers: [answer] });

const PATHS: readonly Case[] = [
  path('/public/../forbidden', 403),
  path('/public/./../forbidden', 403),
  path('/public/x/../../forbidden', 403),
  path('/public/..', 403),
  path('/./forbidden', 403),
  path('/%66orbidden', 403),
  path('/public/%2e%2e/forbidden', 403),
  path('/public/%2E%2e/forbidden', 403),
  path('/public/.%2E/forbidden', 403),
  path('/public/..\\forbidden', 403),
  path('/public/..%2fforbidden', 307),
  path('/public/..%2Fforbidden', 307),
  path('/public/..%5cforbidden', 307),
  path('/public/%2e%2e%5Cforbidden', 307),
  path('/public%2F..%2Fforbidden', 307),
  path('//forbidden', 403),
  path('/public/..;/forbidden', 403),
  path('/public/..;a=b/forbidden', 403),
  path('/public/%2e%2e;/forbidden', 403),
  path('/public/..%3b/forbidden', 403),
  path('/public/.;/../forbidden', 403),
  path('/public;/../forbidden', 403),
  path('/forbidden?/public/', 403),
  path('/forbidden;/public/', 403),
  path('/public?/../forbidden', 403),
  path('/PUBLIC/a', 403),
  path('/forbidden#/public/', 400),
  path('/public/#/../forbidden', 400),
  path('/public/a%00/../forbidden', 400),
  path('*', 400),
  path('public/a', 400),
  path('/public/\xff', 400),
  path('http://web.test/forbidden', 403),
  path('http://web.test/public/../forbidden', 403),
  path('http://web.test//forbidden', 403),
  passes(get('/public/a'), 'GET /public/a'),
  // What the rule was asked about is what the server is asked, whichever of the two a server would do first.
  passes(get('/public//../forbidden'), 'GET /public/forbidden'),
  passes(get('/./public/./a'), 'GET /public/a'),
  passes(get('/public/%252e%252e/forbidden'), 'GET /public/%252e%252e/forbidden'),
  passes(get('/%70ublic//a'), 'GET /public/a'),
  passes(get('/public/a?b=/../forbidden'), 'GET /public/a?b=/../forbidden'),
  passes(get('/public/a?b=/..;/'), 'GET /public/a?b=/..;/'),
  passes(get('/public/a;b=c'), 'GET /public/a;b=c'),
  passes(get('/public/.../a'), 'GET /public/.../a'),
];

const HOSTS: readonly Case[] = [
  { name: 'none', sent: 'GET /public/a HTTP/1.1\r\n\r\n', answers: [400] },
  { name: 'none, HTTP/1.0', sent: 'GET /public/a HTTP/1.0\r\n\r\n', answers: [400] },
  { name: 'another', sent: 'GET /public/a HTTP/1.1\r\nHost: other.test\r\n\r\n', answers: [403] },
  { name: 'upper case', sent: 'GET /public/a HTTP/1.1\r\nHost: WEB.TEST\r\n\r\n', answers: [403] },
  { name: 'a port', sent: 'GET /public/a HTTP/1.1\r\nHost: web.test:8080\r\n\r\n', answers: [403] },
  { name: 'two', sent: get('/public/a', 'Host: other.test\r\n'), answers: [403] },
  { name: 'two of them equal', sent: get('/public/a', HOST), answers: [403] },
  { name: 'a list', sent: 'GET /public/a HTTP/1.1\r\nHost: web.test,other.test\r\n\r\n', answers: [403] },
  { name: 'another with a dot at the end', sent: 'GET /public/a HTTP/1.1\r\nHost: other.test.\r\n\r\n', answers: [403] },
  { name: 'a blank', sent: 'GET /public/a HTTP/1.1\r\nHost: web.test other.test\r\n\r\n', answers: [400] },
  { name: 'another in the request line', sent: get('http://other.test/public/a'), answers: [403] },
  {
    name: 'another beside the request line',
    sent: 'GET http://web.test/public/a HTTP/1.1\r\nHost: other.test\r\n\r\n',
    answers: [200],
    seen: ['GET /public/a HTTP/1.1'],
    header: /^Host: web\.test\r\n/m,
  },
  {
    name: 'a dot at the end',
    sent: 'GET /public/a HTTP/1.1\r\nHost: web.test.\r\n\r\n',
    answers: [200],
    seen: ['GET /public/a HTTP/1.1'],
    header: /^Host: web\.test\r\n/m,
  },
];

const METHODS: readonly Case[] = [
  { name: 'lower case', sent: `get /public/a HTTP/1.1\r\n${HOST}\r\n`, answers: [400] },
  { name: 'another', sent: `PUT /public/a HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`, answers: [403] },
  { name: 'unknown', sent: `GETX /public/a HTTP/1.1\r\n${HOST}\r\n`, answers: [400] },
  { name: 'CONNECT', sent: 'CONNECT web.test:443 HTTP/1.1\r\nHost: web.test:443\r\n\r\n', answers: [403] },
  { name: 'CONNECT to a path', sent: `CONNECT /public/a HTTP/1.1\r\n${HOST}\r\n`, answers: [400] },
  // Whose servers let clients name another method or path in a header has to have a rule about that header.
  {
    name: 'another in a header is for the server to read',
    sent: post('X-HTTP-Method-Override: PUT\r\nContent-Length: 0\r\n', ''),
    answers: [200],
    seen: ['POST /public/a HTTP/1.1'],
    header: /^X-HTTP-Method-Override: PUT\r\n/m,
  },
];

const UPGRADES: readonly Case[] = [
  {
    name: 'h2c is no upgrade',
    sent: get('/public/a', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n') + FORBIDDEN,
    answers: [200, 403],
    seen: ['GET /public/a HTTP/1.1'],
  },
  { name: 'an unknown one', sent: get('/public/a', 'Connection: Upgrade\r\nUpgrade: foo\r\n') + FORBIDDEN, answers: [403], closes: true },
  { name: 'a WebSocket elsewhere', sent: get('/forbidden', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'), answers: [403] },
  {
    name: 'a WebSocket that the server does not want is no tunnel',
    sent: get('/public/a', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n') + FORBIDDEN,
    answers: [400],
    seen: ['GET /public/a HTTP/1.1'],
    closes: true,
  },
];

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const refused = (name: string, sent: string, answer = 400): Case => ({ name, sent: sent + FORBIDDEN, answers: [answer], closes: true });
const thenRefused = (name: string, sent: string, seen: string): Case => ({
  name,
  sent: sent + FORBIDDEN,
  answers: [200, 403],
  seen: [`${seen} HTTP/1.1`],
});

const FRAMING: readonly Case[] = [
  refused('a length beside chunks', post(`Content-Length: 4\r\n${CHUNKED}`, '0\r\n\r\n')),
  refused('chunks beside a length', post(`${CHUNKED}Content-Length: 100\r\n`, '0\r\n\r\n')),
  refused('two transfer encodings', post(`${CHUNKED}Transfer-Encoding: identity\r\n`, '0\r\n\r\n'), 501),
  refused('an unknown transfer encoding', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 501),
  refused('a list of transfer encodings', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 501),
  refused('a blank before the colon', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')),
  refused('a list of lengths', post('Content-Length: 5, 6\r\n', 'hello')),
  refused('a list of equal lengths', post('Content-Length: 5, 5\r\n', 'hello')),
  refused('two lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')),
  refused('a length with a sign', post('Content-Length: +5\r\n', 'hello')),
  refused('a negative length', post('Content-Length: -5\r\n', 'hello')),
  refused('a zero byte in a header', get('/public/a', 'X-A: b\0c\r\n')),
  ...['0x5', '+5', '-5', '5\n', '5;a=\n', 'FFFFFFFFFFFFFFFFF'].map((size) =>
    refused(`a chunk of ${JSON.stringify(size)}`, post(CHUNKED, `${size}\r\nhello\r\n0\r\n\r\n`)),
  ),
  thenRefused('a tab before the transfer encoding', post('Transfer-Encoding:\tchunked\r\n', '0\r\n\r\n'), 'POST /public/a'),
  thenRefused('bare line feeds', 'GET /public/a HTTP/1.1\nHost: web.test\n\n', 'GET /public/a'),
  thenRefused('a folded header', get('/public/a', 'X-A: b\r\n c\r\n'), 'GET /public/a'),
  thenRefused('a pipeline', get('/public/a'), 'GET /public/a'),
  {
    name: 'a request that is the body of another',
    sent: get('/public/a', `Content-Length: ${FORBIDDEN.length}\r\n`) + FORBIDDEN + FORBIDDEN,
    answers: [200, 403],
    seen: ['GET /public/a HTTP/1.1'],
    header: new RegExp(`^Content-Length: ${FORBIDDEN.length}\r\n`, 'm'),
  },
  {
    name: 'HTTP/1.0 with chunks',
    sent: `POST /public/a HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n${FORBIDDEN}`,
    answers: [200],
    seen: ['POST /public/a HTTP/1.1'],
    closes: true,
  },
];

describe('ways around a rule, HTTP/1', needs('envoy'), () => {
  let tapped: TappedBackend;
  let scene: SlotScene;
  let port = 0;

  before(async () => {
    tapped = await TappedBackend.start();
    port = await freePort();
    const slot = httpSlot('evaded', [{ method: 'GET|POST', path: '/public/.*', host: 'web\\.test' }]);
    scene = await SlotScene.start([{ slot, port, backendPort: tapped.port }]);
    await eventually(() => requestHttp1({ port, host: 'web.test' }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await tapped?.[Symbol.asyncDispose]();
  });

  for (const [group, cases] of Object.entries({ path: PATHS, host: HOSTS, method: METHODS, upgrade: UPGRADES, framing: FRAMING })) {
    for (const { name, sent, answers, seen = [], header = /(?:)/, closes } of cases) {
      test(`${group}: ${name}`, async () => {
        tapped.takeRaw();
        const received = await talkRaw(port, sent, closes ? undefined : (so) => statusesOf(so).length >= answers.length);
        const raw = tapped.takeRaw();
        assert.deepEqual(statusesOf(received), answers);
        assert.deepEqual(requestLinesOf(raw), seen);
        assert.match(raw, header);
      });
    }
  }
});

/** Of requests as servers read them: a body is not looked at. */
function requestLinesOf(raw: string): readonly string[] {
  const lines: string[] = [];
  let rest = raw;
  while (rest !== '') {
    const head = rest.slice(0, rest.indexOf('\r\n\r\n') + 4);
    lines.push(head.slice(0, head.indexOf('\r\n')));
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const isChunked = /^transfer-encoding: chunked/im.test(head);
    rest = rest.slice(head.length + (isChunked ? rest.slice(head.length).indexOf('0\r\n\r\n') + 5 : length));
  }
  return lines;
}
