import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { BALANCED, balancedServices, EMPTY, PORTS, type ServedHow } from './balanced-services.ts';
import { GrpcPeer } from './grpc-peer.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';
import type { StreamRequest } from './stream-program.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'one', node: 'node-1', labels: { app: 'one' } },
  { name: 'two', node: 'node-2', labels: { app: 'two' } },
] as const;
const SERVERS = ['one', 'two'] as const;
const LOCAL = { internalTrafficPolicy: 'Local' };
/** Who answers clients of both nodes. */
const FOR_NODES: readonly (readonly [what: string, how: ServedHow, ofClient: string, ofFar: string])[] = [
  ['everywhere', {}, '200 one, 200 two', '200 one, 200 two'],
  ['of their own node', { spec: LOCAL }, '200 one', '200 two'],
  ['of their own node, or by nobody', { spec: LOCAL, servers: ['two'] }, '503', '200 two'],
  ['that hints mean for their zone', { hints: { one: 'node-2', two: 'node-1' } }, '200 two', '200 one'],
  ['everywhere where hints mean one for no zone', { hints: { one: 'node-2' } }, '200 one, 200 two', '200 one, 200 two'],
];
const STREAMS = new URL('stream-program.ts', import.meta.url);
/** Bytes that a server says first. */
const GREETING = 7;
const REQUESTS = 40;
const IN_TURN = { 'service.cilium.io/lb-l7': 'enabled' };

describe('a Service whose requests are balanced', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  let caller: GrpcPeer;
  let talker: PlaceChild<StreamRequest>;
  const streamPeer = (pod: string) => cleanUp.use(new PlaceChild<StreamRequest>(lab.lab.pod(pod), STREAMS));
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    const certificate = makeCertificate({ names: ['shop.test'] });
    for (const name of SERVERS) {
      await lab.peer(name).serve(PORTS.http);
      await lab.peer(name).serveTls(certificate, PORTS.tls);
      await cleanUp.use(new GrpcPeer(lab.lab.pod(name))).serve(PORTS.grpc);
      await streamPeer(name).ask({ kind: 'serve', port: PORTS.words, answers: 'at-once', head: '', bytes: GREETING });
    }
    talker = streamPeer('client');
    caller = cleanUp.use(new GrpcPeer(lab.lab.pod('client')));
    lab.write('services', balancedServices(lab, {}));
    for (const family of FAMILIES) await eventually(async () => assert.equal(await isBalanced(family), false));
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await lab.set('policies', []);
    for (const family of FAMILIES) await becomes({}, family, false);
  });

  const ask = async (family: Family, more: Partial<HttpAsk> = {}) =>
    await lab.peer('client').ask({ to: BALANCED[family], port: PORTS.http, ...more });
  const askMany = async (family: Family, more: Omit<HttpAsk, 'to'> = {}) => {
    const seen = [];
    for (let count = 0; count < REQUESTS; count += 1) seen.push(seenBy(await ask(family, { connection: 'kept', ...more })));
    return seen;
  };
  const isBalanced = async (family: Family) => seenBy(await ask(family)).headers['x-request-id'] !== undefined;
  /** Resolves when Envoy has a port of the Service, or has none. */
  const becomes = async (annotations: Readonly<Record<string, string>>, family: Family, balanced: boolean) => {
    lab.write('services', balancedServices(lab, annotations));
    await eventually(async () => assert.equal(await isBalanced(family), balanced));
  };

  for (const family of FAMILIES) {
    test(`has the calls of one connection of gRPC answered by all its pods, ${family}`, async () => {
      const callMany = async () => await caller.call(BALANCED[family], PORTS.grpc, REQUESTS);
      assert.equal(new Set(await callMany()).size, 1);
      lab.write('services', balancedServices(lab, IN_TURN));
      await eventually(async () => assert.equal(new Set(await callMany()).size, SERVERS.length));
      const answers = await callMany();
      for (const name of SERVERS) assert.ok(answers.filter((answer) => answer === name).length > REQUESTS / 4, answers.join(' '));
    });

    test(`is asked as who asked, of both versions of HTTP and as it was asked, ${family}`, async () => {
      await becomes(IN_TURN, family, true);
      for (const protocol of ['http1', 'http2'] as const) {
        const path = '/a//b/../c?d=%2F';
        const seen = await askMany(family, { protocol, path, connection: `${protocol} ${family}` });
        assert.deepEqual(new Set(seen.map(({ from }) => from)), new Set([lab.lab.pod('client').addresses[family]]));
        assert.deepEqual(new Set(seen.map(({ path: asked }) => asked)), new Set([path]));
        for (const name of SERVERS) assert.ok(seen.filter(({ server }) => server === name).length > REQUESTS / 4, protocol);
      }
    });

    test(`has what is not HTTP led on as it is, ${family}`, async () => {
      await becomes(IN_TURN, family, true);
      const seen = seenBy(await ask(family, { port: PORTS.tls, tls: { serverName: 'shop.test' } }));
      assert.equal(seen.from, lab.lab.pod('client').addresses[family]);
      assert.equal(seen.headers['x-request-id'], undefined);
      const talk = { kind: 'talk', to: BALANCED[family], ends: 'last', timeoutMs: 30_000 } as const;
      const greeted = await talker.ask({ ...talk, port: PORTS.words, text: '' });
      assert.deepEqual(greeted, { head: '', bytes: GREETING, ended: 'end' }, 'a server that speaks first');
      const old = await talker.ask({ ...talk, port: PORTS.http, text: 'GET / HTTP/1.0\r\n\r\n' });
      assert.deepEqual(old, { head: 'HTTP/1.0 200', bytes: 0, ended: 'end' }, 'a client from before there were hosts');
    });

    test(`has nobody answer where it has no endpoints, ${family}`, async () => {
      await becomes(IN_TURN, family, true);
      await eventually(async () => assert.equal(wordOf(await ask(family, { to: EMPTY[family] })), '503'));
    });

    test(`leads to the pods that who asks may go to, by what rules allow there, ${family}`, async () => {
      await becomes({ ...IN_TURN, 'service.cilium.io/lb-l7-algorithm': 'random' }, family, true);
      const toPorts = [tcpPort(PORTS.http, [{ path: '/free' }])];
      await lab.set('policies', [ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('one'), toPorts }] })]);
      await eventually(async () => assert.ok(['403', '503'].includes(wordOf(await ask(family, { path: '/other' })))));
      for (const method of ['GET', 'POST']) {
        const seen = await askMany(family, { method, path: '/free' });
        assert.deepEqual(new Set(seen.map(({ server }) => server)), new Set(['one']), method);
      }
    });

    test(`keeps a client with one pod, where it says so, ${family}`, async () => {
      await becomes(IN_TURN, family, true);
      const servers = async () => {
        const seen = [...(await askMany(family)), ...(await askMany(family, { connection: `kept ${family}`, protocol: 'http2' }))];
        assert.ok(
          seen.every(({ headers }) => headers['x-request-id'] !== undefined),
          'Envoy has led it',
        );
        return new Set(seen.map(({ server }) => server));
      };
      assert.equal((await servers()).size, SERVERS.length);
      lab.write('services', balancedServices(lab, IN_TURN, { spec: { sessionAffinity: 'ClientIP' } }));
      await eventually(async () => assert.equal((await servers()).size, 1));
    });

    test(`has clients answered by pods that are for their node, ${family}`, async () => {
      const answersTo = async (pod: string) => {
        const found = new Set<string>();
        for (let count = 0; count < 10; count += 1) {
          const answer = await lab.peer(pod).ask({ to: BALANCED[family], port: PORTS.http });
          const word = wordOf(answer);
          const { server, headers } = word === '200' ? seenBy(answer) : { server: '', headers: { 'x-request-id': '' } };
          assert.notEqual(headers['x-request-id'], undefined, 'Envoy has led it');
          found.add(`${word} ${server}`.trim());
        }
        return [...found].sort().join(', ');
      };
      for (const [what, how, ofClient, ofFar] of FOR_NODES) {
        lab.write('services', balancedServices(lab, IN_TURN, how));
        await eventually(async () => assert.deepEqual([await answersTo('client'), await answersTo('far')], [ofClient, ofFar], what));
      }
    });

    test(`is so, and no longer, without a failed request, ${family}`, async () => {
      const client = lab.peer('client');
      await client.begin('new', { to: BALANCED[family], port: PORTS.http });
      await becomes(IN_TURN, family, true);
      await client.begin('kept', { to: BALANCED[family], port: PORTS.http, connection: 'load' });
      await becomes({}, family, false);
      for (const load of ['new', 'kept']) assert.deepEqual(Object.keys((await client.end(load)).outcomes), ['200'], load);
    });
  }
});
