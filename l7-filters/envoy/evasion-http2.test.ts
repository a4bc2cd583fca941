import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { type HeaderField, type StreamOutcome, sendHttp2 } from './testing/raw-http2.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';

const METHOD: HeaderField = [':method', 'GET'];
const SCHEME: HeaderField = [':scheme', 'http'];
const AUTHORITY: HeaderField = [':authority', 'web.test'];
const PATH: HeaderField = [':path', '/public/a'];
const GOOD = [METHOD, SCHEME, AUTHORITY, PATH];
const USER: HeaderField = ['x-role', 'user'];

interface Case {
  readonly name: string;
  readonly headers: readonly HeaderField[];
  readonly body?: string;
  readonly outcome: StreamOutcome;
  /** What the server sees: the path, the host and x-role. Default: nothing. */
  readonly seen?: readonly [path: string, host: string, role: string];
  /** It is a request that may pass, and what is wrong with it comes later: the server may have begun to see it, as it is. */
  readonly comesInParts?: true;
}

const SEEN = ['/public/a', 'web.test', 'user'] as const;
const closed = (name: string, headers: readonly HeaderField[]): Case => ({ name, headers: [...headers, USER], outcome: 'closed' });
const denied = (name: string, headers: readonly HeaderField[]): Case => ({ name, headers, outcome: 'answered' });
const withPath = (path: string): readonly HeaderField[] => [METHOD, SCHEME, AUTHORITY, [':path', path]];

const CASES: readonly Case[] = [
  { name: 'nothing', headers: [...GOOD, USER], outcome: 'answered', seen: SEEN },
  denied('a header missing', GOOD),
  denied('another value', [...GOOD, ['x-role', 'admin']]),
  denied('two values', [...GOOD, USER, ['x-role', 'admin']]),
  { name: 'another host beside :authority', headers: [...GOOD, ['host', 'other.test'], USER], outcome: 'answered', seen: SEEN },
  denied('another host without :authority', [METHOD, SCHEME, PATH, ['host', 'other.test'], USER]),
  denied('another :authority', [METHOD, SCHEME, [':authority', 'other.test'], PATH, ['host', 'web.test'], USER]),
  {
    name: 'a dot at the end of the host',
    headers: [METHOD, SCHEME, [':authority', 'web.test.'], PATH, USER],
    outcome: 'answered',
    seen: SEEN,
  },
  denied('another host with a dot at the end', [METHOD, SCHEME, [':authority', 'other.test.'], PATH, USER]),
  denied('a list of hosts', [METHOD, SCHEME, [':authority', 'web.test,other.test'], PATH, USER]),
  denied('a path with two slashes', [...withPath('//forbidden'), USER]),
  denied('a path with one dot', [...withPath('/./forbidden'), USER]),
  denied('a path with dots', [...withPath('/public/../forbidden'), USER]),
  denied('a path with escaped dots', [...withPath('/public/%2e%2e/forbidden'), USER]),
  denied('a path with escaped slashes', [...withPath('/public/..%2fforbidden'), USER]),
  denied('a path with parameters of dots', [...withPath('/public/..;/forbidden'), USER]),
  denied('a WebSocket elsewhere', [[':method', 'CONNECT'], [':protocol', 'websocket'], SCHEME, AUTHORITY, [':path', '/forbidden'], USER]),
  denied('a tunnel', [[':method', 'CONNECT'], AUTHORITY, USER]),
  closed('a name in upper case', [...GOOD, ['X-Role', 'admin']]),
  closed('a header of a connection', [...GOOD, ['connection', 'x-role']]),
  closed('a transfer encoding', [...GOOD, ['transfer-encoding', 'chunked']]),
  closed('an upgrade', [...GOOD, ['upgrade', 'websocket']]),
  closed('lines in a value', [...GOOD, ['x-a', 'b\r\nx-role: admin']]),
  closed('a zero byte in a value', [...GOOD, ['x-a', 'b\0c']]),
  closed('a blank in a name', [...GOOD, ['x-role ', 'admin']]),
  closed('lines in a path', withPath('/public/a HTTP/1.1\r\nx-role: admin')),
  closed('a blank in a path', withPath('/public/a HTTP/1.1')),
  closed('two paths', [...GOOD, [':path', '/forbidden']]),
  closed('two methods', [...GOOD, [':method', 'PUT']]),
  closed('two hosts', [...GOOD, [':authority', 'other.test']]),
  closed('no path', [METHOD, SCHEME, AUTHORITY]),
  closed('an empty path', withPath('')),
  closed('a path without a slash', withPath('public/a')),
  closed('a request in a method', [[':method', 'GET /forbidden HTTP/1.1'], SCHEME, AUTHORITY, PATH]),
  closed('no method', [SCHEME, AUTHORITY, PATH]),
  closed('a pseudo header after others', [METHOD, SCHEME, AUTHORITY, USER, PATH]),
  closed('an unknown pseudo header', [...GOOD, [':role', 'user']]),
  {
    name: 'a body shorter than its length',
    headers: [...GOOD, USER, ['content-length', '9']],
    body: 'hello',
    outcome: 'reset',
    comesInParts: true,
  },
  {
    name: 'a body longer than its length',
    headers: [...GOOD, USER, ['content-length', '1']],
    body: 'hello',
    outcome: 'reset',
    comesInParts: true,
  },
];

describe('ways around a rule, HTTP/2', needs('envoy'), () => {
  let backend: Backend;
  let scene: SlotScene;
  let port = 0;

  before(async () => {
    backend = await Backend.start({ name: 'pod', protocol: 'any' });
    port = await freePort();
    const headers = [{ name: 'x-role', value: { kind: 'literal', text: 'user' }, mismatch: 'deny' }] as const;
    const slot = httpSlot('evaded', [{ method: 'GET', path: '/public/.*', host: 'web\\.test', headers }]);
    scene = await SlotScene.start([{ slot, port, backendPort: backend.port }]);
    await eventually(() => requestHttp1({ port, host: 'web.test' }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  for (const { name, headers, body, outcome, seen, comesInParts } of CASES) {
    test(name, async () => {
      const before = backend.requestCount;
      assert.equal(await sendHttp2(port, headers, body), outcome);
      const last = backend.received.slice(backend.received.length - (backend.requestCount - before));
      const found = last.map((each) => [each.url, each.headers[':authority'], each.headers['x-role']]);
      const begun = comesInParts && found.length > 0 ? SEEN : undefined;
      const expected = seen ?? begun;
      assert.deepEqual(found, expected ? [expected] : []);
      for (const each of last) assert.equal(each.headers['host'], undefined);
    });
  }
});
