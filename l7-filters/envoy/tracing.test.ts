import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Tracing } from '../../model/index.ts';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type Answer, echoOf, requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { SpanReceiver } from '../../testkit/span-receiver.ts';
import { translateCollector } from '../../xds-server/translate/tracing.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot } from './testing/slots.ts';

const [LONG, SHORT, SPAN, OTHER] = ['4bf92f3577b34da6a3ce929d0e0e4736', '64fe8b2a57d3eff7', '00f067aa0ba902b7', 'e457b5a2e4d86bd1'];
/** The trace of a request that no rule allows. */
const DENIED = `${OTHER}${OTHER}`;
/** Whose requests hold what is secret. */
const SECRETIVE = `${SHORT}${OTHER}`;
const SECRET = 'hush-hush';
const PADDED = `0000000000000000${SHORT}`;
const [NO_TRACE, NO_SPAN] = ['0'.repeat(32), '0'.repeat(16)];
/** Between mutations of Envoy's, and nobody else's. */
const OWN = 'x-sluice-traceparent';

type Headers = readonly (readonly [name: string, value: string])[];
interface Case {
  readonly name: string;
  readonly headers: Headers;
  /** The trace that is gone on with. Undefined: another is begun. */
  readonly trace?: string;
  /** Whether who sent it wants nothing to be told of it. */
  readonly isOut?: true;
}

const CASES: readonly Case[] = [
  { name: 'nothing', headers: [] },
  { name: 'traceparent', headers: [['traceparent', `00-${LONG}-${SPAN}-01`]], trace: LONG },
  { name: 'traceparent of who samples otherwise', headers: [['traceparent', `00-${LONG}-${SPAN}-00`]], trace: LONG, isOut: true },
  { name: 'traceparent in capitals', headers: [['traceparent', `00-${LONG.toUpperCase()}-${SPAN}-01`]], trace: LONG },
  { name: 'traceparent of a later version', headers: [['traceparent', `01-${LONG}-${SPAN}-01`]], trace: LONG },
  { name: 'traceparent of a later version with more', headers: [['traceparent', `01-${LONG}-${SPAN}-01-more`]], trace: LONG },
  {
    name: 'traceparent of a later version with more, not sampled',
    headers: [['traceparent', `01-${LONG}-${SPAN}-00-1`]],
    trace: LONG,
    isOut: true,
  },
  ...[
    ...[
      'x',
      '',
      `00-${LONG}-${SPAN}`,
      `00-${LONG}-${SPAN}-01-more`,
      `01-${LONG}-${SPAN}-01more`,
      `00-${LONG}-${SPAN.replace('a', 'x')}-01`,
    ],
    ...[`ff-${LONG}-${SPAN}-01`, `00-${NO_TRACE}-${SPAN}-01`, `00-${LONG}-${NO_SPAN}-01`, `00-${LONG}-${SPAN}-01,00-${LONG}-${SPAN}-00`],
  ].map((value): Case => ({ name: `"${value}" for traceparent`, headers: [['traceparent', value]] })),
  {
    name: 'a traceparent that is none, beside b3',
    headers: [
      ['traceparent', 'x'],
      ['b3', `${SHORT}-${SPAN}-1`],
    ],
    trace: PADDED,
  },
  { name: 'b3', headers: [['b3', `${LONG}-${SPAN}`]], trace: LONG },
  { name: 'b3 in capitals', headers: [['b3', `${LONG.toUpperCase()}-${SPAN.toUpperCase()}`]], trace: LONG },
  { name: 'b3 of a short id in capitals', headers: [['b3', `${SHORT.toUpperCase()}-${SPAN}-1`]], trace: PADDED },
  { name: 'b3 of no trace', headers: [['b3', `${NO_TRACE}-${SPAN}-1`]] },
  { name: 'b3 of no trace, in short', headers: [['b3', `${NO_SPAN}-${SPAN}-1`]] },
  { name: 'b3 of no span', headers: [['b3', `${LONG}-${NO_SPAN}-1`]] },
  { name: 'b3 of an id that has zeros', headers: [['b3', `${LONG}-${SPAN}-1-${NO_SPAN}`]], trace: LONG },
  { name: 'b3 that is sampled', headers: [['b3', `${LONG}-${SPAN}-1`]], trace: LONG },
  { name: 'b3 to look into', headers: [['b3', `${LONG}-${SPAN}-d`]], trace: LONG },
  { name: 'b3 with a parent', headers: [['b3', `${LONG}-${SPAN}-1-${OTHER}`]], trace: LONG },
  { name: 'b3 of a short id', headers: [['b3', `${SHORT}-${SPAN}-1`]], trace: PADDED },
  { name: 'b3 that is not sampled', headers: [['b3', `${LONG}-${SPAN}-0-${OTHER}`]], trace: LONG, isOut: true },
  { name: 'b3 of a short id that is not sampled', headers: [['b3', `${SHORT}-${SPAN}-0`]], trace: PADDED, isOut: true },
  { name: 'b3 that says only not to', headers: [['b3', '0']], isOut: true },
  { name: 'b3 that says only to', headers: [['b3', '1']] },
  { name: 'b3 that is none', headers: [['b3', `${LONG}-${SPAN}-1-and-more`]] },
  { name: 'b3 in several headers', headers: several(LONG, ['x-b3-sampled', '1']), trace: LONG },
  { name: 'b3 in several headers, of a short id', headers: several(SHORT), trace: PADDED },
  { name: 'b3 in several headers that is not sampled', headers: several(LONG, ['x-b3-sampled', '0']), trace: LONG, isOut: true },
  { name: 'b3 in several headers, in capitals', headers: several(LONG.toUpperCase()), trace: LONG },
  {
    name: 'b3 in several headers, to look into',
    headers: several(LONG, ['x-b3-sampled', '0'], ['x-b3-flags', '1']),
    trace: LONG,
  },
  { name: 'b3 in several headers, of no trace', headers: several(NO_TRACE) },
  {
    name: 'b3 in several headers, of no span',
    headers: [
      ['x-b3-traceid', LONG],
      ['x-b3-spanid', NO_SPAN],
    ],
  },
  { name: 'b3 in several headers, that say only not to', headers: [['x-b3-sampled', '0']], isOut: true },
  { name: 'b3 in several headers, of no trace, that is not sampled', headers: several(NO_TRACE, ['x-b3-sampled', 'false']), isOut: true },
  { name: 'b3 with half of its headers', headers: [['x-b3-traceid', LONG]] },
  {
    name: 'traceparent beside b3',
    headers: [
      ['traceparent', `00-${LONG}-${SPAN}-01`],
      ['b3', `${SHORT}-${OTHER}-0`],
    ],
    trace: LONG,
  },
];

function several(trace: string, ...more: Headers): Headers {
  return [['x-b3-traceid', trace], ['x-b3-spanid', SPAN], ...more];
}

describe('requests that are told of', needs('envoy'), () => {
  let scene: SlotScene;
  let backend: Backend;
  let receiver: SpanReceiver;
  let port: number;
  const answers = new Map<string, Answer>();

  before(async () => {
    // As the installation has it for the Envoy of a node.
    process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'k8s.pod.name=sluice-envoy-1,k8s.node.name=node-1';
    receiver = await SpanReceiver.start();
    backend = await Backend.start({ name: 'web' });
    port = await freePort();
    const tracing: Tracing = {
      collector: {
        endpoint: `http://127.0.0.1:${receiver.port}/otlp`,
        protocol: 'http',
        headers: { 'X-Token': 'Basic%20abc %REQ(:PATH)%' },
        certificateAuthorities: '/etc/ssl/certs/ca-certificates.crt',
      },
      sampling: 100,
      serviceName: 'edge',
      resourceAttributes: { 'deployment.environment.name': 'test' },
    };
    scene = await SlotScene.start([
      {
        slot: httpSlot('traced', [{ path: '/allowed(\\?.*)?' }]),
        port,
        backendPort: backend.port,
        options: { ...SLOT_OPTIONS, tracing },
        others: [translateCollector(tracing.collector)],
      },
    ]);
    await eventually(async () => {
      assert.deepEqual(scene.refusals, []);
      assert.equal((await ask([])).status, 200);
    });
    // All at first: Envoy tells every five seconds.
    assert.equal((await ask([['traceparent', `00-${DENIED}-${SPAN}-01`]], '/other')).status, 403);
    for (const headers of [{}, { 'content-type': 'application/grpc' }]) {
      const host = `ann:${SECRET}@web.test`;
      const traceparent = `00-${SECRETIVE}-${SPAN}-01`;
      await requestHttp1({ port, host, path: `/allowed?token=${SECRET}`, headers: { ...headers, traceparent } });
      const misleading = { 'x-envoy-original-path': '/healthz' };
      await requestHttp1({ port, host: 'web.test', path: `/allowed?token=${SECRET}`, headers: { ...headers, ...misleading, traceparent } });
    }
    for (const { name, headers } of CASES) answers.set(name, await ask(headers));
  });
  after(async () => {
    await scene[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const ask = async (headers: Headers, path = '/allowed') =>
    await requestHttp1({ port, host: 'web.test', path, headers: Object.fromEntries(headers) });

  for (const { name, headers, trace, isOut } of CASES) {
    test(`with ${name}`, async () => {
      const answer = answers.get(name) ?? assert.fail('it was not asked');
      assert.equal(answer.status, 200);
      const traceparent = String(echoOf(answer).headers['traceparent']);
      assert.match(traceparent, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/);
      const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
      assert.equal(flags, isOut ? '00' : '01');
      if (trace !== undefined) assert.equal(traceId, trace);
      else assert.ok(![LONG, PADDED].includes(traceId), 'it is another trace');
      for (const [header, value] of headers) if (header !== 'traceparent') assert.equal(echoOf(answer).headers[header], value);
      if (isOut) return;
      await eventually(() => {
        // What the server was told as the parent of its own.
        const sent = receiver.spans.find((span) => span.spanId === spanId);
        const came = receiver.spans.find((span) => span.spanId === sent?.parentSpanId);
        assert.deepEqual([came?.kind, sent?.kind, came?.parentSpanId], ['server', 'client', trace === undefined ? '' : SPAN]);
      });
    });
  }

  test('requests that only say that nothing is to be told are of different traces', async () => {
    const traces = await Promise.all([1, 2].map(async () => String(echoOf(await ask([['b3', '0']])).headers['traceparent']).slice(3, 35)));
    assert.notEqual(traces[0], traces[1]);
  });

  test('what a client says by a name of ours goes no further', async () => {
    for (const more of [[], [['b3', '0']]] as const) {
      const { headers } = echoOf(await ask([[OWN, `00-${LONG}-${SPAN}-01`], ...more]));
      assert.equal(headers[OWN], undefined);
      assert.ok(!String(headers['traceparent']).includes(LONG));
    }
  });

  test('what is told says who tells, and goes where it should with its headers', async () => {
    const { resource } = await eventually(() => receiver.spans[0] ?? assert.fail('no span yet'));
    assert.equal(resource['service.name'], 'edge');
    assert.equal(resource['deployment.environment.name'], 'test');
    assert.deepEqual([resource['k8s.pod.name'], resource['k8s.node.name']], ['sluice-envoy-1', 'node-1']);
    assert.deepEqual([receiver.headers[0]?.[':path'], receiver.headers[0]?.['x-token']], ['/otlp/v1/traces', 'Basic%20abc %REQ(:PATH)%']);
  });

  test('a request that is denied is told of, too', async () => {
    await eventually(() =>
      assert.deepEqual(
        receiver.chain(DENIED, SPAN).map(({ kind, attributes }) => [kind, attributes['http.status_code']]),
        [['server', '403']],
      ),
    );
  });

  test('neither queries nor who logs in are told', async () => {
    const spans = await eventually(() => {
      const found = receiver.spans.filter(({ traceId }) => traceId === SECRETIVE);
      assert.equal(found.filter(({ kind }) => kind === 'server').length, 4);
      assert.equal(found.length, 8);
      return found;
    });
    for (const each of receiver.spans) assert.ok(!JSON.stringify(each).includes(SECRET), JSON.stringify(each));
    const shown = (name: string) => new Set(spans.flatMap(({ attributes: { [name]: value } }) => (value === undefined ? [] : [value])));
    assert.deepEqual(shown('http.url'), new Set(['http://***/allowed', 'http://web.test/allowed']));
    assert.deepEqual(shown('grpc.path'), new Set(['/allowed']));
    assert.deepEqual(shown('grpc.authority'), new Set(['***', 'web.test']));
  });

  test('a collector that is away delays no request, and hears of later ones', async () => {
    const { port: collectorPort } = receiver;
    await receiver[Symbol.asyncDispose]();
    for (let count = 0; count < 20; count++) assert.equal((await ask([])).status, 200);
    receiver = await SpanReceiver.start(collectorPort);
    await eventually(async () => {
      assert.equal((await ask([])).status, 200);
      assert.ok(receiver.spans.length > 0);
    });
  });
});
