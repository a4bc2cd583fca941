import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { HeaderRule } from '../../model/index.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf, requestHttp1, requestHttp2 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText } from './testing/slots.ts';

type Header = Omit<HeaderRule, 'source'>;

const TOKEN = { kind: 'secret', namespace: 'default', name: 'token', key: '' } as const;
const UNKNOWN = { kind: 'secret', namespace: 'default', name: 'unknown', key: '' } as const;
const SECRET_TEXT = 's3cret:"%REQ(x)% ü';
const LITERAL = { kind: 'literal', text: '100%' } as const;

const deny = (value?: Header['value']): Header => ({ name: 'x-token', mismatch: 'deny', ...(value && { value }) });
const otherwise = (mismatch: Header['mismatch'], value?: Header['value']): Header => ({
  name: 'x-token',
  mismatch,
  ...(value && { value }),
});

interface Case {
  readonly name: string;
  readonly rules: readonly RuleText[];
  readonly isOpen?: boolean;
  /** By the header of a request, or none: what the backend sees of it, or that the request is denied. */
  readonly seen: readonly (readonly [sent: string | undefined, seen: string | undefined | 'denied', path?: string])[];
}

const SENT_SECRET = Buffer.from(SECRET_TEXT, 'utf8').toString('latin1');

const CASES: readonly Case[] = [
  {
    name: 'presence',
    rules: [{ headers: [deny()] }],
    seen: [
      [undefined, 'denied'],
      ['', ''],
      ['a', 'a'],
    ],
  },
  {
    name: 'a value',
    rules: [{ headers: [deny(LITERAL)] }],
    seen: [
      ['100%', '100%'],
      ['100', 'denied'],
      [undefined, 'denied'],
      ['100%,100%', 'denied'],
    ],
  },
  {
    name: 'LOG',
    rules: [{ headers: [otherwise('log', LITERAL)] }],
    seen: [
      ['a', 'a'],
      [undefined, undefined],
    ],
  },
  {
    name: 'ADD',
    rules: [{ headers: [otherwise('add', LITERAL)] }],
    seen: [
      ['100%', '100%'],
      ['a', 'a, 100%'],
      [undefined, '100%'],
    ],
  },
  {
    name: 'ADD of no value',
    rules: [{ headers: [otherwise('add')] }],
    seen: [
      ['a', 'a'],
      [undefined, ''],
    ],
  },
  {
    name: 'DELETE',
    rules: [{ headers: [otherwise('delete', LITERAL)] }],
    seen: [
      ['100%', '100%'],
      ['a', undefined],
      [undefined, undefined],
    ],
  },
  {
    name: 'REPLACE',
    rules: [{ headers: [otherwise('replace', LITERAL)] }],
    seen: [
      ['100%', '100%'],
      ['a', '100%'],
      [undefined, '100%'],
    ],
  },
  {
    name: 'a Secret',
    rules: [{ headers: [deny(TOKEN)] }],
    seen: [
      [SENT_SECRET, SENT_SECRET],
      [`${SENT_SECRET}x`, 'denied'],
      ['x'.repeat(SENT_SECRET.length), 'denied'],
      ['', 'denied'],
      [undefined, 'denied'],
    ],
  },
  {
    name: 'ADD of a Secret',
    rules: [{ headers: [otherwise('add', TOKEN)] }],
    seen: [
      [SENT_SECRET, SENT_SECRET],
      ['a', `a, ${SENT_SECRET}`],
      [undefined, SENT_SECRET],
    ],
  },
  {
    name: 'REPLACE with a Secret',
    rules: [{ headers: [otherwise('replace', TOKEN)] }],
    seen: [
      [SENT_SECRET, SENT_SECRET],
      ['a', SENT_SECRET],
      [undefined, SENT_SECRET],
    ],
  },
  {
    name: 'DELETE unless a Secret',
    rules: [{ headers: [otherwise('delete', TOKEN)] }],
    seen: [
      [SENT_SECRET, SENT_SECRET],
      ['a', undefined],
    ],
  },
  {
    name: 'a Secret that is not known, beside a rule that needs none',
    rules: [{ path: '/secret', headers: [deny(UNKNOWN)] }, { path: '/log', headers: [otherwise('log', UNKNOWN)] }, { path: '/other' }],
    seen: [
      ['a', 'denied', '/secret'],
      ['', 'denied', '/secret'],
      ['a', 'denied', '/log'],
      ['a', 'a', '/other'],
    ],
  },
  {
    name: 'a Secret that is not known, with a value to fall back to',
    rules: [{ headers: [deny({ ...UNKNOWN, fallback: 'b' })] }],
    seen: [
      ['b', 'b'],
      ['a', 'denied'],
    ],
  },
  {
    name: 'an action of a rule that does not allow the request',
    rules: [{ path: '/a', headers: [otherwise('replace', LITERAL)] }, { path: '/b' }],
    seen: [
      ['x', '100%', '/a'],
      ['x', 'x', '/b'],
      ['x', 'denied', '/c'],
    ],
  },
  {
    name: 'rules that differ by what they do',
    rules: [
      { method: 'GET', headers: [otherwise('delete', LITERAL)] },
      { path: '/b', headers: [otherwise('replace', LITERAL)] },
    ],
    seen: [
      ['x', undefined, '/a'],
      ['x', '100%', '/b'],
    ],
  },
  {
    name: 'an action where all is allowed besides',
    rules: [{ path: '/a', headers: [otherwise('delete', TOKEN)] }],
    isOpen: true,
    seen: [
      ['x', undefined, '/a'],
      ['x', 'x', '/b'],
    ],
  },
];

describe('headers of rules', needs('envoy'), () => {
  const ports = new Map<string, number>();
  let backend: Backend;
  let scene: SlotScene;

  before(async () => {
    backend = await Backend.start({ name: 'pod', protocol: 'any' });
    for (const { name } of CASES) ports.set(name, await freePort());
    const options = {
      ...SLOT_OPTIONS,
      secretValue: ({ name }: { readonly name: string }) => (name === 'token' ? Buffer.from(`${SECRET_TEXT}\n`) : undefined),
    };
    scene = await SlotScene.start(
      CASES.map(({ name, rules, isOpen = false }) => ({
        slot: httpSlot(name.replaceAll(' ', '-'), rules, { isOpen }),
        port: ports.get(name) ?? 0,
        backendPort: backend.port,
        options,
      })),
    );
    for (const port of ports.values()) await eventually(() => requestHttp1({ port, host: 'web.test' }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  test('Envoy takes all of it', () => assert.deepEqual(scene.refusals, []));

  for (const { name, seen } of CASES) {
    for (const [sent, expected, path = '/'] of seen) {
      for (const [version, request] of [
        ['HTTP/1.1', requestHttp1],
        ['HTTP/2', requestHttp2],
      ] as const) {
        test(`${version}, ${name}: ${path} with ${JSON.stringify(sent)}`, async () => {
          const spoofed = { 'x-sluice-secrets': 'ff:ff:ff', 'x-sluice-secret-0': 'a' };
          const headers = {
            ...(name.includes('Secret') && !name.includes('not known') && spoofed),
            ...(sent !== undefined && { 'x-token': sent }),
          };
          const answer = await request({ port: ports.get(name) ?? 0, host: 'web.test', path, headers });
          assert.equal(answer.status, expected === 'denied' ? 403 : 200);
          if (expected === 'denied') return;
          const { 'x-token': token, ...others } = echoOf(answer).headers;
          assert.equal(token, expected);
          assert.deepEqual(
            Object.keys(others).filter((header) => header === 'x-sluice-secrets'),
            [],
          );
        });
      }
    }
  }
});
