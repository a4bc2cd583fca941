import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { Random } from '../../kube/fuzz/random.ts';
import type { HeadersWithUnderscores, PathNormalization } from '../../model/index.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { type HttpRequest, judgeRequest, normalizeRequest, passOn } from '../http/index.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpRule, httpSlot, type RuleText } from './testing/slots.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const SLOTS = 40;
const REQUESTS = 100;
const MODES = ['none', 'base', 'merge-slashes', 'full'] as const satisfies readonly PathNormalization[];

const UNDERSCORES = ['allow', 'drop', 'reject'] as const satisfies readonly HeadersWithUnderscores[];

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
const METHOD_PATTERNS = ['GET', 'GET|POST', 'P.*', '(?i)get', '[A-Z]{3}', 'G.T'] as const;
const SEGMENTS = [
  'a',
  'b',
  'ab',
  'A',
  '1',
  '22',
  '.',
  '..',
  '',
  'a.b',
  '%41',
  '%2e',
  '%2F',
  '%5c',
  'a%20b',
  '..;',
  '.;x=1',
  '..%3B',
  ';',
  'a%00',
] as const;
const PATH_PATTERNS = [
  '/a',
  '/a/b',
  '/a|/b',
  '/',
  '/a.*',
  '/a/.*',
  '/.*',
  '.*',
  '/[ab]+',
  '/a/[0-9]+',
  '(?i)/a(/b)?',
  '/a\\.b',
  '/(a|b)/.*',
  '/[^/]*',
  '/a\\?x=.*',
  '/\\Qa.b',
  '/a?b*',
] as const;
const HOSTS = ['web.test', 'WEB.test', 'web.test.', 'web.test:80', 'other.test', 'webxtest', 'web.test,other.test'] as const;
const HOST_PATTERNS = ['web.test', 'web\\.test', '.*\\.test', '(?i)web\\.test', 'web\\.test(:[0-9]+)?', 'web\\.test|other\\.test'] as const;
/** Of some Envoy has its own opinion. */
const NAMES = ['x-a', 'x-b', 'x_a', 'x-request-id', 'x-forwarded-proto'] as const;
const SENT_NAMES = [...NAMES, 'x-forwarded-for', 'x-envoy-retry-on', 'te'] as const;
const VALUES = ['a', 'b', 'a,b', '', '10.0.0.1', 'trailers'] as const;
const WANTED = ['a', 'b', 'a,b'] as const;
const MISMATCHES = ['deny', 'deny', 'deny', 'log', 'add', 'delete', 'replace'] as const;

function randomRule(random: Random): RuleText {
  const some = <T>(all: readonly [T, ...T[]]) => (random.chance(0.6) ? random.pick(all) : undefined);
  const [method, path, host] = [some(METHOD_PATTERNS), some(PATH_PATTERNS), random.chance(0.3) ? random.pick(HOST_PATTERNS) : undefined];
  const header = () => {
    const text = some(WANTED);
    return { name: random.pick(NAMES), mismatch: random.pick(MISMATCHES), ...(text && { value: { kind: 'literal', text } as const }) };
  };
  const headers = Array.from({ length: random.pick([0, 0, 1, 2]) }, header);
  return { ...(method && { method }), ...(path && { path }), ...(host && { host }), headers };
}

function randomRequest(random: Random): HttpRequest {
  const segments = Array.from({ length: 1 + random.below(3) }, () => random.pick(SEGMENTS));
  const query = random.chance(0.2) ? random.pick(['?', '?x=1', '?x=/../b']) : '';
  const headers = SENT_NAMES.filter(() => random.chance(0.4)).map((name) => [name, random.pick(VALUES)] as const);
  return { method: random.pick(METHODS), path: `/${segments.join('/')}${query}`, host: random.pick(HOSTS), headers };
}

interface Setting {
  readonly mode: PathNormalization;
  readonly underscores: HeadersWithUnderscores;
}

function optionsOf({ mode, underscores }: Setting) {
  return { pathNormalization: mode, headersWithUnderscores: underscores };
}

describe(`Envoy decides as rules are judged, from seed ${SEED} (SLUICE_FUZZ_SEED)`, needs('envoy'), () => {
  const agent = new Agent({ keepAlive: true });
  const slots = Array.from({ length: SLOTS }, (_, index) => {
    const random = new Random(SEED + index);
    return {
      random,
      seed: SEED + index,
      rules: Array.from({ length: random.below(6) }, () => randomRule(random)),
      mode: random.pick(MODES),
      underscores: random.pick(UNDERSCORES),
    };
  });
  const ports: number[] = [];
  let backend: Backend;
  let scene: SlotScene;

  before(async () => {
    backend = await Backend.start({ name: 'pod' });
    for (const _ of slots) ports.push(await freePort());
    scene = await SlotScene.start(
      slots.map(({ seed, rules, ...setting }, index) => ({
        slot: httpSlot(`random-${seed}`, rules),
        port: ports[index] ?? 0,
        backendPort: backend.port,
        options: { ...SLOT_OPTIONS, http: { ...SLOT_OPTIONS.http, ...optionsOf(setting) } },
      })),
    );
    for (const port of ports) await eventually(() => requestHttp1({ port, host: 'web.test' }));
  });
  after(async () => {
    agent.destroy();
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  for (const [index, { random, seed, rules, ...setting }] of slots.entries()) {
    const options = optionsOf(setting);
    test(`seed ${seed}: ${rules.length} rules, ${Object.values(options)}`, async () => {
      const httpRules = rules.map(httpRule);
      for (let count = 0; count < REQUESTS; count += 1) {
        const asked = randomRequest(random);
        const normal = normalizeRequest(asked, options);
        const expected =
          { request: 0, redirect: 307, refused: 400 }[normal.kind] ||
          (normal.kind === 'request' && judgeRequest(httpRules, normal.request, options).decision === 'allow' ? 200 : 403);
        const about = `seed ${seed}: ${JSON.stringify({ asked, normal, rules })}`;
        const { status, seen } = await send(ports[index] ?? 0, asked);
        assert.equal(status, expected, about);
        if (status !== 200 || normal.kind !== 'request') continue;
        assert.deepEqual(seen, headersSeen(passOn(httpRules, normal.request, options)), about);
      }
    });
  }

  test('Envoy takes all of it', () => assert.deepEqual(scene.refusals, []));

  async function send(port: number, { method, path, host, headers }: HttpRequest): Promise<Sent> {
    const sent = request({ host: '127.0.0.1', port, agent, method, path, headers: { ...Object.fromEntries(headers), host } }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    assert.ok(response);
    const body = await text(response);
    const { statusCode: status } = response;
    return { status, seen: status === 200 ? ofInterest(Object.entries(JSON.parse(body).headers)) : {} };
  }
});

interface Sent {
  readonly status: number | undefined;
  /** What the server got of the headers that are asked for. */
  readonly seen: Readonly<Record<string, unknown>>;
}

function ofInterest(headers: readonly (readonly [name: string, value: unknown])[]): Sent['seen'] {
  const found = headers.filter(([name]) => SENT_NAMES.some((each) => each === name));
  return Object.fromEntries(found.map(([name, value]) => [name, String(value).replaceAll(', ', ',')]));
}

/** What is empty of what Envoy sets itself is not there. */
function headersSeen({ headers }: HttpRequest): Sent['seen'] {
  return ofInterest(headers.filter(([name, value]) => value !== '' || !['x-request-id', 'x-forwarded-proto'].includes(name)));
}
