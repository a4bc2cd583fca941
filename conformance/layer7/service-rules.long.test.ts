import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { ciliumPolicy, type HttpRuleText, tcpPort } from './policies.ts';
import { MIXED, SEALED, SHOP, type ShopText, sealedConfig, sealedServices, shopConfig, shopServices } from './shop-config.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'other', node: 'node-2', labels: { app: 'other' } },
  { name: 'free', node: 'node-1', labels: { app: 'free' } },
  { name: 'audited', node: 'node-1', labels: { app: 'audited' }, annotations: { 'policy.sluice.io/audit-mode': 'true' } },
  { name: 'one', node: 'node-1', labels: { app: 'one', group: 'shop' } },
  { name: 'two', node: 'node-2', labels: { app: 'two', group: 'shop' } },
] as const;
/** Answered by the listener itself, so that nobody is asked. */
const MOVED = { match: { prefix: '/moved' }, redirect: { pathRedirect: '/one' } };
const SHUT = { match: { prefix: '/shut' }, directResponse: { status: 403, body: { inlineString: 'shut' } } };
const TEXT: ShopText = { weights: { one: 50, two: 50 }, mark: 'led', routes: [MOVED, SHUT] };
const DENIED = 'Access denied\r\n';
const CLIENTS = ['client', 'other', 'free', 'audited'] as const;
/** That pods of it may be audited. */
const AUDITS = { 'policy.sluice.io/audit-mode': 'pods' };
const GROUP = [{ matchLabels: { group: 'shop' } }];

/** Of who may ask the shop's pods for what. */
function policy(name: string, http: readonly HttpRuleText[], port = 80, toEndpoints: readonly Manifest[] = GROUP): Manifest {
  return ciliumPolicy({ name, app: name, egress: [{ toEndpoints, toPorts: [tcpPort(port, http)] }] });
}

describe('rules of layer 7 in a listener of a config', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  /** What Envoys and Sluices said. */
  const logged: string[] = [];
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS, onLine: (line) => logged.push(line) }));
    for (const name of ['one', 'two']) {
      await lab.peer(name).serve();
      await lab.peer(name).serveTls(makeCertificate({ names: ['shop.test'] }));
    }
    lab.write('services', [...shopServices(lab), ...sealedServices(lab, 'free')]);
    lab.write('namespace', [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', annotations: AUDITS } }]);
    lab.write('sealed', [sealedConfig()]);
    await lab.set('config', [shopConfig(TEXT)]);
    await areFree();
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await lab.set('policies', []);
    lab.write('config', [shopConfig(TEXT)]);
    await areFree();
  });

  /** Also by connections that Envoy keeps, which may be of a way that does not hold any more. */
  const areFree = async () => {
    const words = [
      ['/moved', '301'],
      ['/one', '200'],
      ['/two', '200'],
    ] as const;
    const all = FAMILIES.flatMap((family) => CLIENTS.flatMap((from) => words.map(([path, word]) => isSaid(word, from, family, path))));
    await Promise.all(all);
  };
  const ask = async (from: string, family: Family, more: Partial<HttpAsk> = {}): Promise<HttpOutcome> =>
    await lab.peer(from).ask({ to: SHOP[family], ...more });
  const said = async (from: string, family: Family, path: string, more: Omit<HttpAsk, 'to'> = {}) =>
    wordOf(await ask(from, family, { path, ...more }));
  const isSaid = async (word: string, from: string, family: Family, path: string) =>
    await eventually(async () => assert.equal(await said(from, family, path), word, `${from} ${path}`));

  const sealed = async (from: string, family: Family, path: string, more: Partial<HttpAsk> = {}) =>
    wordOf(await ask(from, family, { to: SEALED[family], path, ...more }));
  /** @returns what says which paths pods were asked for from then on */
  const paths = async () => {
    const servedBy = async () => await Promise.all(['one', 'two'].map(async (name) => await lab.peer(name).served()));
    const before = await servedBy();
    return async () => (await servedBy()).flatMap((all, index) => all.slice(before[index]?.length ?? 0)).map(({ path }) => path);
  };
  const isSealed = async (word: string, from: string, family: Family, path: string) =>
    await eventually(async () => assert.equal(await sealed(from, family, path), word, `${from} ${path}`));

  for (const family of FAMILIES) {
    test(`are those of each client, before what routes say, ${family}`, async () => {
      await lab.set('policies', [policy('client', [{ path: '/one/.*' }]), policy('other', [{ path: '/(two|moved|shut)' }])]);
      await isSaid('403', 'client', family, '/moved');
      await isSaid('403', 'other', family, '/one');
      const words = async (from: string) =>
        await Promise.all(['/one/a', '/two', '/moved'].map(async (path) => await said(from, family, path)));
      assert.deepEqual(await words('client'), ['200', '403', '403']);
      assert.deepEqual(await words('other'), ['403', '200', '301']);
      assert.deepEqual(await words('free'), ['200', '200', '301']);
      const answered = await ask('other', family, { path: '/shut' });
      assert.ok('body' in answered && answered.body === 'shut', 'what the listener answers stays its own');
      for (const protocol of ['http1', 'http2'] as const) {
        const denied = await ask('client', family, { path: '/moved', protocol });
        assert.ok('status' in denied && denied.status === 403 && denied.body === DENIED, JSON.stringify(denied));
        const id = String(denied.headers['x-request-id']);
        await eventually(async () => {
          const told = await lab.sluice('node-1', ['why-denied', id]);
          assert.match(told, /http\[0\] came nearest: path \/moved is not \/one\/\.\*/);
          assert.ok(told.includes('CiliumNetworkPolicy default/client'), told);
        });
      }
    });

    test(`hold for what the listener sends by TLS, ${family}`, async () => {
      await lab.set('policies', [policy('client', [{ path: '/one/.*' }], 443), policy('other', [{ path: '/two' }], 443)]);
      await isSealed('200', 'client', family, '/one/a');
      await isSealed('200', 'other', family, '/two');
      const words = async (from: string) =>
        await Promise.all(['/one/a', '/two', '/one/../two', '/one//a'].map(async (path) => await sealed(from, family, path)));
      assert.deepEqual(await words('client'), ['200', '403', '403', '200']);
      assert.deepEqual(await words('other'), ['403', '200', '200', '403']);
      assert.deepEqual(await words('free'), ['200', '200', '200', '200']);
      for (const protocol of ['http1', 'http2'] as const) assert.equal(await sealed('client', family, '/two', { protocol }), '403');
      const from = lab.lab.pod('client').addresses[family];
      for (let count = 0; count < 10; count += 1)
        assert.equal(seenBy(await ask('client', family, { to: SEALED[family], path: '/one/b' })).from, from);
      // Who comes by the listener itself has been asked nothing, and has no part in what Envoy keeps open for who has.
      for (const path of ['/one/a', '/two']) assert.equal(await sealed('client', family, path, { to: MIXED[family] }), '503');
      assert.equal(await sealed('free', family, '/two', { to: MIXED[family] }), '200');
    });

    test(`hold for what routes make of a request, ${family}`, async () => {
      const open = { match: { prefix: '/open' }, route: { cluster: 'one', prefixRewrite: '/one/secret' } };
      await lab.set('policies', [policy('client', [{ path: '/(open|one/a)' }])]);
      lab.write('config', [shopConfig({ ...TEXT, routes: [open] })]);
      await isSaid('200', 'client', family, '/one/a');
      await isSaid('403', 'client', family, '/open');
      await isSaid('200', 'free', family, '/open');
      const servedBefore = (await lab.peer('one').served()).length;
      assert.equal(await said('client', family, '/open'), '403');
      assert.equal((await lab.peer('one').served()).length, servedBefore);
    });

    test(`are not gone around by routes that change what is sent by TLS, also of connections that are open, ${family}`, async () => {
      await lab.set('policies', [policy('client', [{ path: '/(open|one)' }], 443)]);
      await isSealed('200', 'client', family, '/open');
      const kept = { connection: `kept ${family}` };
      assert.equal(await sealed('client', family, '/open', kept), '200');
      const pathsSince = await paths();
      lab.write('sealed', [sealedConfig({ prefixRewrite: '/secret' })]);
      await eventually(async () => assert.equal(await sealed('client', family, '/one', { connection: 'new' }), '503'));
      for (let count = 0; count < 20; count += 1) await sealed('client', family, '/open', kept);
      assert.deepEqual(
        (await pathsSince()).filter((path) => path.startsWith('/secret')),
        [],
      );
      lab.write('sealed', [sealedConfig()]);
      await isSealed('200', 'client', family, '/open');
    });

    test(`are changed in place, and begin and end, while requests go on, ${family}`, async () => {
      const client = lab.peer('client');
      await lab.set('policies', [policy('client', [{ path: '/one.*' }])]);
      await isSaid('403', 'client', family, '/moved');
      for (const load of ['new', 'kept'])
        await client.begin(load, { to: SHOP[family], path: '/one', ...(load === 'kept' && { connection: load }) });
      await lab.set('policies', [policy('client', [{ path: '/one.*' }, { path: '/moved' }])]);
      await isSaid('301', 'client', family, '/moved');
      for (const load of ['new', 'kept']) assert.deepEqual(Object.keys((await client.end(load)).outcomes), ['200'], load);
      await client.begin('life', { to: SHOP[family], path: '/one' });
      await lab.set('policies', []);
      await isSaid('301', 'client', family, '/moved');
      await lab.set('policies', [policy('client', [{ path: '/one.*' }])]);
      await isSaid('403', 'client', family, '/moved');
      const { outcomes } = await client.end('life');
      // Where a slot begins, one that Envoy has kept to each backend ends with its next request.
      const { 200: answered = 0, 503: ended = 0, ...others } = outcomes;
      assert.deepEqual(others, {});
      assert.ok(answered > 0 && ended <= 4, JSON.stringify(outcomes));
    });

    test(`tell of what they would deny in audit mode, ${family}`, async () => {
      await lab.set('policies', [policy('audited', [{ path: '/one' }])]);
      await eventually(async () => {
        assert.equal(await said('audited', family, '/moved'), '301');
        const denied = logged.filter((line) => line.includes('"audited":true') && line.includes('"path":"/moved"'));
        assert.ok(denied.length > 0);
      });
    });

    test(`are left to what Envoy opens where the config says so, ${family}`, async () => {
      await lab.set('policies', [policy('client', [{ path: '/one' }])]);
      await isSaid('403', 'client', family, '/moved');
      lab.write('config', [shopConfig({ ...TEXT, annotations: { 'cec.cilium.io/inject-cilium-filters': 'false' } })]);
      await isSaid('301', 'client', family, '/moved');
      assert.equal(await said('client', family, '/two'), '403');
    });
  }
});
