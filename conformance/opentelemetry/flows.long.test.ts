import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type ExportFlowsOptions, exportFlows } from '../../agent/flows/otel/export-flows.ts';
import { type Flow, FlowRing } from '../../flows/index.ts';
import { exampleFlow, exampleResponse } from '../../flows/testing/example-flow.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePort } from '../../testkit/ports.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { WITH_TIME_TO_BUILD } from '../lab/go-program.ts';
import { Collector, type CollectorOptions } from './collector.ts';

const CAPACITY = 1_000;
/** What is not answered in time comes twice; by HTTP, the library tries for ten seconds before it says that nobody is there. */
const PATIENTLY = { withinMs: 60_000 };
/** Where an application says that it has asked. */
const FROM = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', parentSpanId: '00f067aa0ba902b7' };
const WAYS = (['grpc', 'http'] as const).flatMap((protocol) =>
  (['logs', 'spans'] as const).flatMap((as) => [true, false].map((isSecure) => ({ protocol, as, isSecure }))),
);

describe('a collector is told of flows', { ...needs('collector'), ...WITH_TIME_TO_BUILD }, () => {
  let folder: TemporaryFolder;
  let authorities: string;
  const collectors = new Map<boolean, { readonly options: CollectorOptions; running: Collector }>();

  before(async () => {
    folder = new TemporaryFolder();
    const made = makeCertificate({ names: ['localhost'] });
    const files = { cert: folder.join('collector.crt'), key: folder.join('collector.key') };
    writeFileSync(files.cert, made.certificate);
    writeFileSync(files.key, made.privateKey);
    authorities = files.cert;
    for (const isSecure of [true, false]) {
      const options = {
        folder: folder.path,
        spawn: ([program = '', ...args]: readonly string[]) => spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }),
        address: '127.0.0.1',
        ports: { grpc: await freePort(), http: await freePort() },
        ...(isSecure && { tls: files }),
      };
      collectors.set(isSecure, { options, running: await Collector.start(options) });
    }
  }, WITH_TIME_TO_BUILD);
  after(async () => {
    for (const { running } of collectors.values()) await running[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const collectorOf = (isSecure: boolean) => collectors.get(isSecure) ?? assert.fail('there is none');
  const optionsOf = ({ protocol, as, isSecure }: (typeof WAYS)[number]): ExportFlowsOptions => {
    const { ports } = collectorOf(isSecure).options;
    const endpoint = `${isSecure ? 'https' : 'http'}://localhost:${ports[protocol]}`;
    const headers = { 'x-token': `${protocol}-${as}` };
    const compression = isSecure ? 'gzip' : 'none';
    return { as, allow: [], deny: [], compression, collector: { endpoint, protocol, headers, certificateAuthorities: authorities } };
  };

  for (const way of WAYS) {
    const { protocol, as, isSecure } = way;
    test(`by ${as}, ${protocol}, ${isSecure ? 'with' : 'without'} TLS`, async (t) => {
      const ring = new FlowRing(CAPACITY);
      const node = `${protocol}-${as}`;
      await using flows = exportFlows(ring, optionsOf(way), { node, onFailure: (message) => t.diagnostic(message) });
      ring.add({ ...withOwnId(exampleFlow()), ...FROM });
      ring.add(withOwnId(exampleResponse(200)));
      await eventually(() => assert.deepEqual(flows.state(), { sent: 2, lost: 0, waiting: 0 }), PATIENTLY);
      const { running } = collectorOf(isSecure);
      const received = await eventually(() => {
        const own = running[as].filter(({ resource }) => resource['k8s.node.name'] === node);
        const each = [...new Map(own.map((record) => [record.attributes['hubble.uuid'], record])).values()];
        assert.equal(each.length, 2);
        return each;
      }, PATIENTLY);
      assert.ok(running.tokens.has(node));
      assert.equal(new Set(received.map(({ traceId }) => traceId)).size, 1);
      assert.deepEqual(
        received.map((record) => ('parentSpanId' in record ? record.parentSpanId : undefined)),
        as === 'spans' ? [FROM.parentSpanId, ''] : [undefined, undefined],
      );
      assert.deepEqual(
        received.map(({ attributes }) => attributes['http.response.status_code']),
        [undefined, '200'],
      );
    });
  }

  for (const way of WAYS.filter(({ isSecure }) => !isSecure)) {
    const { protocol, as, isSecure } = way;
    test(`that is away, and back: what it did not hear of is counted, by ${as}, ${protocol}`, async () => {
      const own = collectorOf(isSecure);
      await own.running[Symbol.asyncDispose]();
      const ring = new FlowRing(CAPACITY);
      const failures: string[] = [];
      await using flows = exportFlows(ring, optionsOf(way), { node: 'away', onFailure: (message) => failures.push(message) });
      for (let count = 0; count < 3 * CAPACITY; count++) ring.add(withOwnId(exampleFlow()));
      await eventually(() => assert.equal(failures.length, 1), PATIENTLY);
      own.running = await Collector.start(own.options);
      for (let count = 0; count < 10; count++) ring.add(withOwnId(exampleFlow()));
      await eventually(() => assert.equal(flows.state().waiting, 0), PATIENTLY);
      const { sent, lost, failure } = flows.state();
      assert.equal(failure, undefined);
      assert.equal(sent + lost, ring.seen);
      assert.ok(lost > 0);
      const received = () => new Set(own.running[as].map(({ attributes }) => attributes['hubble.uuid']));
      await eventually(() => assert.equal(received().size, sent), PATIENTLY);
    });
  }

  test('whose certificate somebody else signed is told nothing', async () => {
    const ring = new FlowRing(CAPACITY);
    const [way] = WAYS.filter(({ isSecure }) => isSecure);
    const options = optionsOf(way ?? assert.fail('no way'));
    const other = folder.join('other.crt');
    writeFileSync(other, makeCertificate({ names: ['localhost'] }).certificate);
    const failures: string[] = [];
    const collector = { ...options.collector, certificateAuthorities: other };
    await using flows = exportFlows(ring, { ...options, collector }, { node: 'stranger', onFailure: (message) => failures.push(message) });
    ring.add(withOwnId(exampleFlow()));
    await eventually(() => assert.equal(failures.length, 1), PATIENTLY);
    assert.equal(flows.state().sent, 0);
  });
});

/** What comes twice is told from what is two. */
function withOwnId(flow: Flow): Flow {
  return { ...flow, uuid: randomUUID() };
}
