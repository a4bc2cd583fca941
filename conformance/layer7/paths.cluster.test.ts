import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, type Family, NETWORKS, OUTSIDE } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';

const DENIED = 'Access denied\r\n';
const LARGE = 'x'.repeat(3_000_000);

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'other', node: 'node-1', labels: { app: 'other' } },
] as const;

/** Servers take `/in…` and `/both` of the client, and the client may ask for `/out…` and `/both`. */
const INGRESS = (name: string) =>
  ciliumPolicy({
    name: `to-${name}`,
    app: name,
    ingress: [
      { fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ method: 'GET|POST', path: '/(in|both)(/.*)?' }])] },
      { fromEntities: ['remote-node'], toPorts: [tcpPort(80, [{ path: '/in' }])] },
    ],
  });
const EGRESS = ciliumPolicy({
  name: 'of-client',
  app: 'client',
  egress: [
    { toEndpoints: [...app('near'), ...app('far')], toPorts: [tcpPort(80, [{ path: '/(out|both)(/.*)?' }])] },
    { toCIDR: ['203.0.113.0/24', '2001:db8:ff::/64'], toPorts: [tcpPort(80, [{ path: '/out' }])] },
    { toEndpoints: app('other'), toPorts: [{ ports: [{ port: '5353', protocol: 'UDP' }] }] },
  ],
});

for (const network of NETWORKS) {
  describe(`steered connections, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS }));
      for (const place of ['near', 'far', 'outside']) await lab.peer(place).serve();
    });
    after(() => cleanUp.disposeAsync());

    const addressOf = (place: string, family: Family) => (place === 'outside' ? OUTSIDE[0][family] : lab.lab.pod(place).addresses[family]);
    const ask = (from: string, to: string, family: Family, rest: Omit<HttpAsk, 'to'>): Promise<HttpOutcome> =>
      lab.peer(from).ask({ to: addressOf(to, family), timeoutMs: 10_000, ...rest });

    for (const family of FAMILIES) {
      for (const server of ['near', 'far']) {
        test(`what comes in to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', [INGRESS(server)]);
          const allowed = await ask('client', server, family, { path: '/in' });
          assert.equal(seenBy(allowed).from, addressOf('client', family));
          const denied = await ask('client', server, family, { path: '/out' });
          assert.deepEqual('body' in denied && [denied.status, denied.body], [403, DENIED]);
          assert.equal(wordOf(await ask('other', server, family, { path: '/in', timeoutMs: 1_000 })), 'timeout');
          const large = await ask('client', server, family, { method: 'POST', path: '/in', body: LARGE });
          assert.equal(wordOf(large), '200');
          const twice = await ask('client', server, family, { path: '/in/2', protocol: 'http2' });
          assert.equal(seenBy(twice).path, '/in/2');
          assert.equal(wordOf(await ask('client', server, family, { path: '/x', protocol: 'http2' })), '403');
        });

        test(`what goes out of a pod to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', [EGRESS]);
          const allowed = await ask('client', server, family, { path: '/out' });
          assert.equal(seenBy(allowed).from, addressOf('client', family));
          assert.equal(wordOf(await ask('client', server, family, { path: '/in' })), '403');
          assert.equal(wordOf(await ask('other', server, family, { path: '/in' })), '200');
          assert.equal(wordOf(await ask('client', server, family, { method: 'POST', path: '/out', body: LARGE })), '200');
        });

        test(`both ends of one connection to a pod ${server}, ${family}`, async () => {
          await lab.set('policies', [EGRESS, INGRESS(server)]);
          const outcomes = await Promise.all(
            ['/in', '/out', '/both', '/neither'].map(async (path) => [path, wordOf(await ask('client', server, family, { path }))]),
          );
          assert.deepEqual(Object.fromEntries(outcomes), { '/in': '403', '/out': '403', '/both': '200', '/neither': '403' });
          assert.equal(seenBy(await ask('client', server, family, { path: '/both' })).from, addressOf('client', family));
          assert.equal(wordOf(await ask('client', server, family, { method: 'POST', path: '/both', body: LARGE })), '200');
        });
      }

      test(`to the outside, ${family}`, async () => {
        await lab.set('policies', [EGRESS]);
        assert.equal(seenBy(await ask('client', 'outside', family, { path: '/out' })).from, addressOf('client', family));
        assert.equal(wordOf(await ask('client', 'outside', family, { path: '/in' })), '403');
      });

      test(`from nodes, ${family}`, async () => {
        await lab.set('policies', [INGRESS('near')]);
        assert.equal(wordOf(await ask('node-1', 'near', family, { path: '/anything' })), '200', "a pod's own node reaches it");
        assert.equal(wordOf(await ask('node-2', 'near', family, { path: '/in' })), '200');
        assert.equal(wordOf(await ask('node-2', 'near', family, { path: '/out' })), '403');
      });
    }

    test('UDP goes its own way', async () => {
      await lab.set('policies', [EGRESS]);
      const [client, other] = [lab.lab.pod('client'), lab.lab.pod('other')];
      await other.prober.serve('UDP', 5353);
      for (const family of FAMILIES) {
        assert.equal(await client.prober.probe({ protocol: 'UDP', to: other.addresses[family], port: 5353 }), 'answered');
      }
    });
  });
}
