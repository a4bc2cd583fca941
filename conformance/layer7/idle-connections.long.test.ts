import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { UPSTREAM_PORTS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import { FAMILIES, NETWORKS } from '../lab/netns/index.ts';
import type { CrowdRequest } from './crowd-program.ts';
import { wordOf } from './http-peer.ts';
import { proxiedServices, proxyServices } from './kube-proxy-tables.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PROGRAM = new URL('crowd-program.ts', import.meta.url);
const PORT = 80;
/** Of a slot of server names that lets everything by. */
const NAMED_PORT = 81;
const CLIENTS = Array.from({ length: 10 }, (_, index) => `client-${index}`);
/** By each client. */
const CONNECTIONS = 1_000;
const ALL = CLIENTS.length * CONNECTIONS;
/** By one client to each address of each server, where the network is what matters. */
const FEW = 200;
/** By each client; the machine has few cores. */
const AT_ONCE = 25;
/** More than that is nobody's to spend on a connection that does nothing. */
const MAX_BYTES = 60_000;

/** That Envoy has for connections of one client to one server: docs/decisions/layer7.md. */
const PORTS = UPSTREAM_PORTS.ingress.last - UPSTREAM_PORTS.ingress.first + 1;

const BUSY = [PORT, NAMED_PORT].map((port) => `busy-${port}`);

const countsView = z.record(z.string(), z.int());

/** Whether a connection ends with a reset depends on what of it had been read. */
function outcomes(counts: unknown): Readonly<Record<string, number>> {
  const { end = 0, ECONNRESET = 0, EPIPE = 0, ...rest } = countsView.parse(counts);
  const ended = end + ECONNRESET + EPIPE;
  return ended > 0 ? { ...rest, ended } : rest;
}

/** @param others who else may ask, which makes another slot */
function policy(paths: readonly string[], others: readonly string[] = []): Manifest[] {
  const fromEndpoints = [...app('client'), ...others.flatMap(app)];
  return [
    ciliumPolicy({
      name: 'web',
      app: 'web',
      ingress: [
        {
          fromEndpoints,
          toPorts: [
            tcpPort(
              PORT,
              paths.map((path) => ({ path })),
            ),
          ],
        },
      ],
    }),
  ];
}

const NAMED = ciliumPolicy({
  name: 'named',
  app: 'web',
  ingress: [{ fromEndpoints: app('client'), toPorts: [{ ...tcpPort(NAMED_PORT), serverNames: ['web'] }, tcpPort(NAMED_PORT)] }],
});

describe('many connections through a slot', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  const crowds = new Map<string, PlaceChild<CrowdRequest>>();
  let lab: SteeredLab;
  let to: string;
  before(async () => {
    const clients = CLIENTS.map((name) => ({ name, labels: { app: 'client' } }));
    const others = ['probe', ...BUSY].map((name) => ({ name, labels: { app: 'client' } }));
    const pods = [...clients, ...others, { name: 'web', labels: { app: 'web' } }];
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', nodes: 1, pods }));
    await proxyServices(lab.lab, 'iptables', proxiedServices(lab.lab, 'web'));
    for (const name of [...CLIENTS, ...BUSY, 'web'])
      crowds.set(name, cleanUp.use(new PlaceChild<CrowdRequest>(lab.lab.pod(name), PROGRAM)));
    for (const port of [PORT, NAMED_PORT]) await ask('web', { kind: 'serve', port });
    to = lab.lab.pod('web').addresses.ipv4;
  });
  after(() => cleanUp.disposeAsync());

  async function ask(place: string, request: CrowdRequest): Promise<unknown> {
    return await crowds.get(place)?.ask(request);
  }
  /** What came of it at all clients together. */
  async function askAll(request: CrowdRequest): Promise<Readonly<Record<string, number>>> {
    const all = await Promise.all(CLIENTS.map(async (name) => countsView.parse(await ask(name, request))));
    const sum: Record<string, number> = {};
    for (const [word, count] of all.flatMap((counts) => Object.entries(counts))) sum[word] = (sum[word] ?? 0) + count;
    return sum;
  }
  const areOpen = async () => {
    const counts = await Promise.all(CLIENTS.map((name) => ask(name, { kind: 'count' })));
    return counts.reduce<number>((sum, count) => sum + z.int().parse(count), 0);
  };
  const isInForce = (path: string, word: string) =>
    eventually(async () => assert.equal(wordOf(await lab.peer('probe').ask({ to, path })), word));
  const memory = async () => (await lab.sluices.get('node-1')?.envoyMemory()) ?? 0;

  test('that are idle stay open, are usable after an edit, and end when their slot is another', { timeout: 300_000 }, async (t) => {
    await lab.set('web', policy(['/one']));
    await isInForce('/one', '200');
    const before = await memory();
    assert.deepEqual(await askAll({ kind: 'open', to, port: PORT, count: CONNECTIONS, path: '/one', atOnce: AT_ONCE }), { 200: ALL });
    const bytes = Math.round(((await memory()) - before) / ALL);
    t.diagnostic(`${ALL} connections, ${bytes} bytes of resident memory of Envoy for each, ${Math.round(before / 1e6)} MB without any`);
    assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
    assert.equal(await areOpen(), ALL);
    await lab.set('web', policy(['/two']));
    await isInForce('/two', '200');
    assert.equal(await areOpen(), ALL);
    assert.deepEqual(await askAll({ kind: 'ask', path: '/one', atOnce: AT_ONCE }), { 403: ALL });
    assert.deepEqual(await askAll({ kind: 'ask', path: '/two', atOnce: AT_ONCE }), { 200: ALL });
    assert.equal(await areOpen(), ALL);
    await lab.set('web', policy(['/three'], ['other']));
    await isInForce('/three', '200');
    await eventually(async () => assert.equal(await areOpen(), 0));
    assert.deepEqual(await askAll({ kind: 'ended' }), { ECONNRESET: ALL });
  });

  for (const [kind, port, failure] of [
    ['HTTP', PORT, '503'],
    ['server names', NAMED_PORT, 'ended'],
  ] as const) {
    test(`may be as many at once from one client to one server as there are ports, and beyond that fail at once: ${kind}`, async () => {
      await lab.set('web', [...policy(['/.*']), NAMED]);
      await isInForce('/one', '200');
      const [client, beyond] = [`busy-${port}`, 200];
      const count = PORTS + beyond;
      const held = ask(client, { kind: 'open', to, port, count, path: '/hold', atOnce: count });
      await eventually(async () => assert.equal(await ask('web', { kind: 'held' }), PORTS), { withinMs: 60_000 });
      assert.deepEqual(outcomes(await ask(client, { kind: 'open', to, port, count: 10, path: '/one', atOnce: 10 })), { [failure]: 10 });
      assert.equal(wordOf(await lab.peer('probe').ask({ to, port, path: '/one' })), '200', 'others are not concerned');
      await ask('web', { kind: 'release' });
      assert.deepEqual(outcomes(await held), { 200: PORTS, [failure]: beyond });
      await ask(client, { kind: 'close' });
      const another: CrowdRequest = { kind: 'open', to, port, count: 1, path: '/one', atOnce: 1 };
      await eventually(async () => assert.deepEqual(await ask(client, another), { 200: 1 }));
    });
  }
});

// What a connection costs does not depend on the network, so there are fewer here: what they show is that packets of each still find it.
for (const network of NETWORKS) {
  describe(`connections through a slot that are idle, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    const crowds = new Map<string, PlaceChild<CrowdRequest>>();
    let lab: SteeredLab;
    before(async () => {
      const client = { name: 'client', labels: { app: 'client' } };
      const servers = ['node-1', 'node-2'].map((node) => ({ name: `web-${node}`, node, labels: { app: 'web' } }));
      lab = cleanUp.use(await SteeredLab.start({ network, pods: [client, ...servers] }));
      const names = servers.map(({ name }) => name);
      await proxyServices(lab.lab, 'iptables', proxiedServices(lab.lab, ...names));
      for (const name of ['client', ...names]) crowds.set(name, cleanUp.use(new PlaceChild<CrowdRequest>(lab.lab.pod(name), PROGRAM)));
      for (const name of names) await crowds.get(name)?.ask({ kind: 'serve', port: PORT });
    });
    after(() => cleanUp.disposeAsync());

    const ask = async (request: CrowdRequest) => await crowds.get('client')?.ask(request);

    test('stay open, are usable after an edit, and end when their slot is another', async () => {
      const addresses = ['web-node-1', 'web-node-2'].flatMap((name) => FAMILIES.map((family) => lab.lab.pod(name).addresses[family]));
      const isInForce = async (path: string) => {
        for (const to of addresses)
          await eventually(async () => assert.equal(wordOf(await lab.peer('client').ask({ to, path })), '200', to));
      };
      await lab.set('web', policy(['/one']));
      await isInForce('/one');
      for (const to of addresses) {
        const opening: CrowdRequest = { kind: 'open', to, port: PORT, count: FEW, path: '/one', atOnce: AT_ONCE };
        assert.deepEqual(await ask(opening), { 200: FEW }, to);
      }
      const all = addresses.length * FEW;
      await lab.set('web', policy(['/two']));
      await isInForce('/two');
      assert.equal(await ask({ kind: 'count' }), all);
      assert.deepEqual(await ask({ kind: 'ask', path: '/one', atOnce: AT_ONCE }), { 403: all });
      assert.deepEqual(await ask({ kind: 'ask', path: '/two', atOnce: AT_ONCE }), { 200: all });
      assert.equal(await ask({ kind: 'count' }), all);
      await lab.set('web', policy(['/three'], ['other']));
      await isInForce('/three');
      await eventually(async () => assert.equal(await ask({ kind: 'count' }), 0));
      assert.deepEqual(await ask({ kind: 'ended' }), { ECONNRESET: all });
    });
  });
}
