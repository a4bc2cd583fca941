import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { regexProblem } from '../../regex/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf, requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { type HttpRuleSpec, ingestHttpRule } from '../http/index.ts';
import { ingestServerName } from '../tls/index.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText, SOURCE, tlsSlot } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const HOST = 'web.test';
const LIMIT = SLOT_OPTIONS.regexMaxProgramSize;

/** Expressions that grow, of every kind that costs instructions. */
const SHAPES: readonly ((count: number) => string)[] = [
  (count) => `/${'a'.repeat(count)}b?`,
  (count) => `/(?:a|bc){${count}}`,
  (count) => `/[a-c]{${count}}`,
  (count) => `(?i)/${'k'.repeat(count)}s?`,
  (count) => `/.{0,${count}}`,
  (count) => `/${'(?:[^/]*x)?'.repeat(count)}`,
  (count) => `/${'[^a-z0-9_%]'.repeat(count)}`,
  (count) => `/${'\\w+\\d'.repeat(count)}`,
  (count) => `/${'é?'.repeat(count)}`,
  (count) => `/${'\\pL'.repeat(count)}`,
  (count) => Array.from({ length: count }, (_, index) => `/${index}`).join('|'),
];

/** The largest that is taken, where all smaller ones are. */
function largest(isTaken: (count: number) => boolean): number {
  let [taken, refused] = [1, 4 * LIMIT];
  while (refused - taken > 1) {
    const middle = Math.floor((taken + refused) / 2);
    if (isTaken(middle)) taken = middle;
    else refused = middle;
  }
  return taken;
}

const isExpression = (regex: string) => regexProblem(regex, LIMIT) === undefined;
const isRule = (spec: HttpRuleSpec) => ingestHttpRule(spec, { source: SOURCE, namespace: '', maxProgramSize: LIMIT }).result === 'usable';
const isServerName = (name: string) => typeof ingestServerName(name, SOURCE, LIMIT) !== 'string';

const EDGES = SHAPES.map((shape) => shape(largest((count) => isExpression(shape(count)))));
const header = (name: string) => ({ name, mismatch: 'deny' }) as const;

/** Rules as large as they are taken, each kind in a slot of its own. */
const KINDS: Readonly<Record<string, readonly RuleText[]>> = {
  paths: EDGES.map((path) => ({ path })),
  'paths that are joined': EDGES.flatMap((path) => [{ path }, ...Array.from({ length: 60 }, (_, index) => ({ path: `/[a-z]{${index}}` }))]),
  hosts: EDGES.map((host) => ({ host })),
  methods: EDGES.map((method) => ({ method })),
  'names of headers': [
    ...['a', 'a-', 'a-b', '-', '_'].map((part) => {
      const nameOf = (count: number) => `x-${part.repeat(count)}`;
      return { headers: [header(nameOf(largest((count) => isRule({ headers: [nameOf(count)] }))))] };
    }),
    ...Array.from({ length: 300 }, (_, index) => ({ headers: [header(`x-name-number-${index}`)] })),
  ],
};

describe('rules as large as they are taken', needs('envoy'), () => {
  for (const [kind, rules] of Object.entries(KINDS)) {
    test(`${kind} are what Envoy takes`, async () => {
      await using backend = await TappedBackend.start();
      const port = await freePort();
      const slot = httpSlot('large', [...rules, { method: 'GET', path: '/ok' }]);
      await using scene = await SlotScene.start([{ slot, port, backendPort: backend.port }]);
      const ask = () => requestHttp1({ port, host: HOST, path: '/ok', headers: { 'x_name-number-299': 'a', 'x_name-number-300': 'b' } });
      const answer = await eventually(async () => {
        const got = await ask();
        assert.equal(got.status, 200);
        return got;
      });
      assert.deepEqual(scene.refusals, []);
      const { 'x_name-number-299': lookalike, 'x_name-number-300': other } = echoOf(answer).headers;
      assert.deepEqual([lookalike, other], [kind === 'names of headers' ? undefined : 'a', 'b']);
    });
  }

  test('names of servers are what Envoy takes', async () => {
    const parts = ['**.', '*.', 'a*b.', 'a.', '*a-'];
    const names = parts.map((part) => {
      const nameOf = (count: number) => `${part.repeat(count)}test`;
      return nameOf(largest((count) => isServerName(nameOf(count))));
    });
    const port = await freePort();
    await using backend = await TappedBackend.start();
    await using scene = await SlotScene.start([{ slot: tlsSlot('large', names), port, backendPort: backend.port }]);
    await eventually(() => assert.ok(scene.xds.outcomes.some(({ name, outcome }) => name === 'tls/egress/large' && outcome === 'ack')));
    assert.deepEqual(scene.refusals, []);
  });

  test('a name of a header that is longer is told of, and its rule allows nothing', async () => {
    const name = `x-${'a-'.repeat(LIMIT)}`;
    assert.equal(isRule({ headers: [name] }), false);
    await using backend = await TappedBackend.start();
    const port = await freePort();
    const slot = httpSlot('large', [{ path: '/a', headers: [header(name)] }, { path: '/ok' }]);
    await using scene = await SlotScene.start([{ slot, port, backendPort: backend.port }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/ok' })).status, 200));
    assert.equal((await requestHttp1({ port, host: HOST, path: '/a', headers: { [name]: 'b' } })).status, 403);
    assert.deepEqual(scene.refusals, []);
  });
});
