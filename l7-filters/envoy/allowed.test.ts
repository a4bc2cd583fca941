import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type RequestOptions, requestHttp1, requestHttp2 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText } from './testing/slots.ts';

type Asked = Partial<Pick<RequestOptions, 'method' | 'path' | 'host' | 'headers'>>;

interface Case {
  readonly name: string;
  readonly rules: readonly RuleText[];
  readonly isOpen?: boolean;
  readonly allowed: readonly Asked[];
  readonly denied: readonly Asked[];
}

const CASES: readonly Case[] = [
  { name: 'no rules', rules: [], allowed: [], denied: [{}, { method: 'POST', path: '/a' }] },
  { name: 'no rules, and something that allows all', rules: [], isOpen: true, allowed: [{}, { method: 'POST', path: '/a' }], denied: [] },
  {
    name: 'a method and a path',
    rules: [{ method: 'POST', path: '/v1/request-landing' }],
    allowed: [{ method: 'POST', path: '/v1/request-landing' }],
    denied: [
      { method: 'PUT', path: '/v1/request-landing' },
      { method: 'POST', path: '/v1/request-landing/' },
      { method: 'POST', path: '/v1/request-landing?a=b' },
    ],
  },
  {
    name: 'a text, a prefix and a regex beside each other, each with conditions of its own',
    rules: [
      { method: 'GET', path: '/a' },
      { method: 'POST', path: '/a.*' },
      { method: 'PUT', path: '/[a-c]+' },
      { method: 'PATCH' },
      { path: '/a/.*', host: 'web\\.test' },
    ],
    allowed: [
      { path: '/a' },
      { method: 'POST', path: '/a' },
      { method: 'PUT', path: '/a' },
      { method: 'PATCH', path: '/a' },
      { method: 'PATCH', path: '/elsewhere' },
      { method: 'POST', path: '/a/b' },
      { path: '/a/b', host: 'web.test' },
    ],
    denied: [
      { method: 'DELETE', path: '/a' },
      { path: '/ab' },
      { method: 'PUT', path: '/d' },
      { path: '/a/b', host: 'web-test' },
      { path: '/a/b', host: 'web.test:80' },
    ],
  },
];

describe('what rules allow', needs('envoy'), () => {
  const ports = new Map<string, number>();
  let backend: Backend;
  let scene: SlotScene;

  before(async () => {
    backend = await Backend.start({ name: 'pod', protocol: 'any' });
    for (const { name } of CASES) ports.set(name, await freePort());
    scene = await SlotScene.start(
      CASES.map(({ name, rules, isOpen = false }) => ({
        slot: httpSlot(name, rules, { isOpen }),
        port: ports.get(name) ?? 0,
        backendPort: backend.port,
      })),
    );
    for (const port of ports.values()) await eventually(() => requestHttp1({ port, host: 'web.test' }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  test('Envoy takes all of it', () => assert.deepEqual(scene.refusals, []));

  for (const { name, allowed, denied } of CASES) {
    for (const [version, request] of [
      ['HTTP/1.1', requestHttp1],
      ['HTTP/2', requestHttp2],
    ] as const) {
      const ask = (asked: Asked) => request({ port: ports.get(name) ?? 0, host: 'other.test', ...asked });
      for (const asked of allowed) {
        test(`${version}, ${name}: allowed ${JSON.stringify(asked)}`, async () => {
          const { status, backend: from } = await ask(asked);
          assert.deepEqual([status, from], [200, 'pod']);
        });
      }
      for (const asked of denied) {
        test(`${version}, ${name}: denied ${JSON.stringify(asked)}`, async () => {
          const { status, body, headers, backend: from } = await ask(asked);
          assert.deepEqual([status, body, headers['content-type'], from], [403, 'Access denied\r\n', 'text/plain', undefined]);
          assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
        });
      }
    }
  }
});
