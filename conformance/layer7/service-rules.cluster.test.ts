import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, wordOf } from './http-peer.ts';
import { ciliumPolicy, type HttpRuleText, tcpPort } from './policies.ts';
import { SHOP, type ShopText, shopConfig, shopServices } from './shop-config.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'other', node: 'node-2', labels: { app: 'other' } },
  { name: 'free', node: 'node-1', labels: { app: 'free' } },
  { name: 'one', node: 'node-1', labels: { app: 'one', group: 'shop' } },
  { name: 'two', node: 'node-2', labels: { app: 'two', group: 'shop' } },
] as const;
/** Answered by the listener itself, so that nobody is asked. */
const MOVED = { match: { prefix: '/moved' }, redirect: { pathRedirect: '/one' } };
const TEXT: ShopText = { weights: { one: 50, two: 50 }, mark: 'led', routes: [MOVED] };
const DENIED = 'Access denied\r\n';
const CLIENTS = ['client', 'other', 'free'] as const;
const GROUP = [{ matchLabels: { group: 'shop' } }];

/** Of who may ask the shop's pods for what. */
function policy(name: string, http: readonly HttpRuleText[], toEndpoints: readonly Manifest[] = GROUP): Manifest {
  return ciliumPolicy({ name, app: name, egress: [{ toEndpoints, toPorts: [tcpPort(80, http)] }] });
}

describe('rules of layer 7 in a listener of a config', needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
    for (const name of ['one', 'two']) await lab.peer(name).serve();
    lab.write('services', shopServices(lab));
    await lab.set('config', [shopConfig(TEXT)]);
    for (const family of FAMILIES) for (const from of CLIENTS) await isSaid('301', from, family, '/moved');
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await lab.set('policies', []);
    await lab.set('config', [shopConfig(TEXT)]);
    for (const family of FAMILIES)
      for (const from of CLIENTS)
        for (const [path, word] of [
          ['/moved', '301'],
          ['/one', '200'],
          ['/two', '200'],
        ] as const)
          await isSaid(word, from, family, path);
  });

  const ask = async (from: string, family: Family, more: Omit<HttpAsk, 'to'> = {}): Promise<HttpOutcome> =>
    await lab.peer(from).ask({ to: SHOP[family], ...more });
  const said = async (from: string, family: Family, path: string, more: Omit<HttpAsk, 'to'> = {}) =>
    wordOf(await ask(from, family, { path, ...more }));
  const isSaid = async (word: string, from: string, family: Family, path: string) =>
    await eventually(async () => assert.equal(await said(from, family, path), word, `${from} ${path}`));

  for (const family of FAMILIES) {
    test(`are those of each client, before what routes say, ${family}`, async () => {
      await lab.set('policies', [policy('client', [{ path: '/one/.*' }]), policy('other', [{ path: '/(two|moved)' }])]);
      await isSaid('403', 'client', family, '/moved');
      await isSaid('403', 'other', family, '/one');
      const words = async (from: string) =>
        await Promise.all(['/one/a', '/two', '/moved'].map(async (path) => await said(from, family, path)));
      assert.deepEqual(await words('client'), ['200', '403', '403']);
      assert.deepEqual(await words('other'), ['403', '200', '301']);
      assert.deepEqual(await words('free'), ['200', '200', '301']);
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
  }
});
