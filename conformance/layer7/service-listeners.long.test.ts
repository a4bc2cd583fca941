import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { BY_LISTENER, SHOP, type ShopText, shopConfig, shopServices, stamping } from './shop-config.ts';
import { SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'other', node: 'node-1', labels: { app: 'other' } },
  { name: 'one', node: 'node-1', labels: { app: 'one' } },
  { name: 'two', node: 'node-2', labels: { app: 'two' } },
] as const;
const EVEN = { weights: { one: 50, two: 50 }, mark: 'led' } as const satisfies ShopText;
const REQUESTS = 60;

describe('a Service that a listener of a config takes', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    for (const name of ['one', 'two']) {
      await lab.peer(name).serve();
      await lab.lab.pod(name).prober.serve('UDP', 80);
    }
    lab.write('services', shopServices(lab));
    await lab.set('config', [shopConfig(EVEN)]);
    for (const family of FAMILIES) for (const from of ['client', 'other']) await isLed(from, family);
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await lab.set('policies', []);
    // What Envoy keeps may be of a way that does not hold any more, and ends when it is used next.
    for (const family of FAMILIES) {
      for (const from of ['client', 'other'])
        for (const path of ['/one', '/two']) await eventually(async () => assert.equal(await said(from, family, path), '200'));
    }
  });

  const ask = async (from: string, family: Family, more: Omit<HttpAsk, 'to'> = {}) =>
    await lab.peer(from).ask({ to: SHOP[family], ...more });
  const said = async (from: string, family: Family, path: string) => wordOf(await ask(from, family, { path }));
  const markOf = async (from: string, family: Family) => seenBy(await ask(from, family)).headers[BY_LISTENER];
  const isLed = async (from: string, family: Family, mark = 'led') =>
    await eventually(async () => assert.equal(await markOf(from, family), mark));
  const isNotLed = async (from: string, family: Family) =>
    await eventually(async () => assert.equal(await markOf(from, family), undefined));

  /** @returns what says which marks requests had that pods were asked from then on, each once */
  const marks = async () => {
    const servedBy = async () => await Promise.all(['one', 'two'].map(async (name) => await lab.peer(name).served()));
    const before = await servedBy();
    return async () => {
      const seen = (await servedBy()).flatMap((all, index) => all.slice(before[index]?.length ?? 0));
      return [...new Set(seen.map(({ headers }) => headers[BY_LISTENER]))];
    };
  };

  for (const family of FAMILIES) {
    const clientAddress = () => lab.lab.pod('client').addresses[family];

    test(`is asked of the pods that its routes say, as who asked, ${family}`, async () => {
      const seen = [];
      for (let count = 0; count < REQUESTS; count += 1) seen.push(seenBy(await ask('client', family, { connection: 'kept' })));
      assert.deepEqual([...new Set(seen.map(({ from }) => from))], [clientAddress()]);
      assert.deepEqual([...new Set(seen.map(({ headers }) => headers[BY_LISTENER]))], ['led']);
      for (const name of ['one', 'two']) assert.ok(seen.filter(({ server }) => server === name).length > REQUESTS / 6, name);
      assert.equal(wordOf(await ask('client', family, { protocol: 'http2' })), '200');
    });

    test(`leads nobody where he may not go, ${family}`, async () => {
      await lab.set('policies', [ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('one') }] })]);
      assert.deepEqual([await said('client', family, '/one'), await said('client', family, '/two')], ['200', '503']);
      assert.deepEqual([await said('other', family, '/one'), await said('other', family, '/two')], ['200', '200']);
    });

    test(`is asked what rules of the client's allow, ${family}`, async () => {
      const toPorts = [tcpPort(80, [{ path: '/one/.*' }])];
      await lab.set('policies', [ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('one'), toPorts }] })]);
      const word = async (from: string, path: string) => await said(from, family, path);
      assert.deepEqual([await word('client', '/one/a'), await word('client', '/one'), await word('client', '/two')], ['200', '403', '503']);
      assert.equal(await word('other', '/one'), '200');
      assert.equal(seenBy(await ask('client', family, { path: '/one/b' })).from, clientAddress());
    });

    test(`is asked what rules of the backend's allow, ${family}`, async () => {
      const ingress = [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/two/.*' }])] }];
      await lab.set('policies', [ciliumPolicy({ name: 'two', app: 'two', ingress })]);
      const word = async (from: string, path: string) => await said(from, family, path);
      // A connection that Envoy has kept ends with its next request.
      await eventually(async () => assert.equal(await word('client', '/two/a'), '200'));
      assert.equal(await word('client', '/two'), '403');
      assert.notEqual(await word('other', '/two/a'), '200');
      assert.equal(await word('other', '/one'), '200');
    });

    test(`answers on while rules begin and end at a backend whose connections Envoy keeps, ${family}`, async () => {
      const ingress = [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/two.*' }])] }];
      const rules = ciliumPolicy({ name: 'two', app: 'two', ingress });
      const words = [];
      for (const policies of [[rules], [], [rules], []]) {
        for (let count = 0; count < 3; count += 1) words.push(await said('client', family, '/two'));
        await lab.set('policies', policies);
        words.push(await said('client', family, '/two'));
      }
      assert.deepEqual([...new Set(words)], ['200']);
    });

    test(`is asked by processes of the node, which may go where the node may, ${family}`, async () => {
      await lab.set('policies', [
        ciliumPolicy({ name: 'client', app: 'client', egress: [{ toEndpoints: app('one') }] }),
        ciliumPolicy({ name: 'two', app: 'two', ingress: [{ fromEntities: ['remote-node'] }] }),
      ]);
      for (const path of ['/one', '/two']) {
        const { from, headers, server } = seenBy(await ask('node-1', family, { path }));
        assert.deepEqual([`/${server}`, headers[BY_LISTENER]], [path, 'led']);
        assert.ok(!PODS.some(({ name }) => lab.lab.pod(name).addresses[family] === from), from);
      }
      await lab.set('policies', [ciliumPolicy({ name: 'two', app: 'two', ingress: [{ fromEndpoints: app('client') }] })]);
      await eventually(async () => assert.notEqual(await said('node-1', family, '/two'), '200'));
      assert.deepEqual([await said('node-1', family, '/one'), await said('client', family, '/two')], ['200', '200']);
    });

    test(`is refused to processes of the node while Envoy is away, ${family}`, async () => {
      const marksSince = await marks();
      const node = lab.peer('node-1');
      await node.begin('load', { to: SHOP[family], timeoutMs: 500 });
      await lab.sluices.get('node-1')?.killEnvoy();
      await isLed('node-1', family);
      assert.ok(((await node.end('load')).outcomes['200'] ?? 0) > 0);
      assert.deepEqual(await marksSince(), ['led']);
    });

    test(`leaves datagrams to pods, ${family}`, async () => {
      const probe = { to: SHOP[family], port: 80, protocol: 'UDP' } as const;
      assert.equal(await lab.lab.pod('client').prober.probe(probe), 'answered');
    });

    test(`has its routes changed without a failed request, ${family}`, async () => {
      const client = lab.peer('client');
      await client.begin('new', { to: SHOP[family] });
      await client.begin('kept', { to: SHOP[family], connection: 'kept' });
      lab.write('config', [shopConfig({ weights: { one: 0, two: 100 }, mark: 'edited' })]);
      await isLed('client', family, 'edited');
      lab.write('config', [shopConfig(EVEN)]);
      await isLed('client', family);
      for (const load of ['new', 'kept']) assert.deepEqual(Object.keys((await client.end(load)).outcomes), ['200'], load);
    });

    test(`has its listener edited, and called otherwise, without a failed request, ${family}`, async () => {
      const client = lab.peer('client');
      const stampOf = async () => seenBy(await ask('client', family)).headers['x-stamp'];
      const marksSince = await marks();
      await client.begin('new', { to: SHOP[family] });
      await client.begin('kept', { to: SHOP[family], connection: 'kept' });
      for (const [stamp, name] of [
        ['edited', 'front'],
        ['renamed', 'door'],
        ['edited again', 'door'],
      ] as const) {
        lab.write('config', [shopConfig({ ...EVEN, name, httpFilters: [stamping('x-stamp', stamp)] })]);
        await eventually(async () => assert.equal(await stampOf(), stamp));
      }
      lab.write('config', [shopConfig(EVEN)]);
      await eventually(async () => assert.equal(await stampOf(), undefined));
      for (const load of ['new', 'kept']) assert.deepEqual(Object.keys((await client.end(load)).outcomes), ['200'], load);
      assert.deepEqual(await marksSince(), ['led']);
    });

    test(`reaches no pod by another way while Envoy is away, ${family}`, async () => {
      const client = lab.peer('client');
      const marksSince = await marks();
      await client.begin('load', { to: SHOP[family], timeoutMs: 500 });
      await lab.sluices.get('node-1')?.killEnvoy();
      await isLed('client', family);
      const { outcomes } = await client.end('load');
      assert.ok((outcomes['200'] ?? 0) > 0);
      assert.deepEqual(await marksSince(), ['led']);
    });

    test(`stays with the listener when Sluice is started anew, ${family}`, async () => {
      const client = lab.peer('client');
      const marksSince = await marks();
      await client.begin('load', { to: SHOP[family] });
      await lab.sluices.get('node-1')?.kill();
      await lab.startSluice('node-1');
      await isLed('client', family);
      assert.deepEqual(Object.keys((await client.end('load')).outcomes), ['200']);
      assert.deepEqual(await marksSince(), ['led']);
    });

    test(`is translated again when the config is gone, and led when it is back, without a failed request, ${family}`, async () => {
      const client = lab.peer('client');
      await client.begin('load', { to: SHOP[family] });
      await lab.unset('config');
      await isNotLed('client', family);
      await lab.set('config', [shopConfig(EVEN)]);
      await isLed('client', family);
      assert.deepEqual(Object.keys((await client.end('load')).outcomes), ['200']);
    });

    test(`is translated on nodes that its config is not for, ${family}`, async () => {
      const only = (node: string) => shopConfig({ ...EVEN, mark: node, nodes: { 'kubernetes.io/hostname': node } });
      const client = lab.peer('client');
      await client.begin('load', { to: SHOP[family] });
      lab.write('config', [only('node-2')]);
      await isNotLed('client', family);
      await isLed('two', family, 'node-2');
      lab.write('config', [only('node-1')]);
      await isLed('client', family, 'node-1');
      await isNotLed('two', family);
      lab.write('config', [shopConfig(EVEN)]);
      for (const from of ['client', 'two']) await isLed(from, family);
      assert.deepEqual(Object.keys((await client.end('load')).outcomes), ['200']);
    });

    test(`is asked as the node's Ingresses ask, where its config says so, ${family}`, async () => {
      const annotations = { 'cec.cilium.io/use-original-source-address': 'false' };
      await lab.set('config', [shopConfig({ ...EVEN, annotations })]);
      // Of a server's addresses the first will do, since there is none to come from.
      const node = lab.lab.node('node-1').plan.addresses.ipv4;
      await eventually(async () => {
        const { from, headers } = seenBy(await ask('client', family, { path: '/one' }));
        assert.notEqual(from, clientAddress());
        assert.equal(headers[BY_LISTENER], 'led');
      });
      assert.equal(seenBy(await ask('client', family, { path: '/two' })).from, node);
      await lab.set('config', [shopConfig(EVEN)]);
      await eventually(async () => assert.equal(seenBy(await ask('client', family, { path: '/two' })).from, clientAddress()));
    });
  }
});
