import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, type Family, MTU, NETWORKS, OUTSIDE } from '../lab/netns/index.ts';
import { type HttpAsk, type HttpOutcome, seenBy, wordOf } from './http-peer.ts';
import { proxiedServices, proxyServices } from './kube-proxy-tables.ts';
import { countPathMessages, pathMessages } from './path-messages.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { SteeredLab } from './steered-lab.ts';

const DENIED = 'Access denied\r\n';
const LARGE_BYTES = 3_000_000;
/** Of what the last link to a pod takes, where that is less than what anybody else knows of. */
const NARROW = 1_300;

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'near', node: 'node-1', labels: { app: 'near' } },
  { name: 'far', node: 'node-2', labels: { app: 'far' } },
  { name: 'other', node: 'node-1', labels: { app: 'other' } },
] as const;

const SERVERS = ['near', 'far'] as const;

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
    { toEndpoints: [...app('near'), ...app('far')], toPorts: [{ ports: [{ port: '5353', protocol: 'UDP' }] }] },
  ],
});

for (const network of NETWORKS) {
  describe(`steered connections, ${network}`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network, pods: PODS }));
      for (const place of ['near', 'far', 'outside']) await lab.peer(place).serve();
      for (const server of SERVERS) await lab.lab.pod(server).prober.serve('UDP', 5353);
    });
    after(() => cleanUp.disposeAsync());

    const addressOf = (place: string, family: Family) => (place === 'outside' ? OUTSIDE[0][family] : lab.lab.pod(place).addresses[family]);
    const ask = (from: string, to: string, family: Family, rest: Omit<HttpAsk, 'to'>): Promise<HttpOutcome> =>
      lab.peer(from).ask({ to: addressOf(to, family), timeoutMs: 10_000, ...rest });
    const exchange = (from: string, to: string, family: Family, path: string) =>
      lab.peer(from).exchange(LARGE_BYTES, { to: addressOf(to, family), path });

    for (const isProxied of [false, true]) {
      describe(isProxied ? "beside kube-proxy's rules" : 'on nodes without rules', () => {
        before(async () => {
          if (isProxied) await proxyServices(lab.lab, 'iptables', proxiedServices(lab.lab, ...SERVERS));
        });

        for (const family of FAMILIES) {
          for (const server of SERVERS) {
            test(`what comes in to a pod ${server}, ${family}`, async () => {
              await lab.set('policies', [INGRESS(server)]);
              const stranger = ask('other', server, family, { path: '/in', timeoutMs: 500 });
              const allowed = await ask('client', server, family, { path: '/in' });
              assert.equal(seenBy(allowed).from, addressOf('client', family));
              const denied = await ask('client', server, family, { path: '/out' });
              assert.deepEqual('body' in denied && [denied.status, denied.body], [403, DENIED]);
              assert.equal(await exchange('client', server, family, '/in'), 'whole');
              const twice = await ask('client', server, family, { path: '/in/2', protocol: 'http2' });
              assert.equal(seenBy(twice).path, '/in/2');
              assert.equal(wordOf(await ask('client', server, family, { path: '/x', protocol: 'http2' })), '403');
              assert.equal(wordOf(await stranger), 'timeout');
            });

            test(`what goes out of a pod to a pod ${server}, ${family}`, async () => {
              await lab.set('policies', [EGRESS]);
              const allowed = await ask('client', server, family, { path: '/out' });
              assert.equal(seenBy(allowed).from, addressOf('client', family));
              assert.equal(wordOf(await ask('client', server, family, { path: '/in' })), '403');
              assert.equal(wordOf(await ask('other', server, family, { path: '/in' })), '200');
              assert.equal(await exchange('client', server, family, '/out'), 'whole');
            });

            test(`both ends of one connection to a pod ${server}, ${family}`, async () => {
              await lab.set('policies', [EGRESS, INGRESS(server)]);
              const outcomes = await Promise.all(
                ['/in', '/out', '/both', '/neither'].map(async (path) => [path, wordOf(await ask('client', server, family, { path }))]),
              );
              assert.deepEqual(Object.fromEntries(outcomes), { '/in': '403', '/out': '403', '/both': '200', '/neither': '403' });
              assert.equal(seenBy(await ask('client', server, family, { path: '/both' })).from, addressOf('client', family));
              assert.equal(await exchange('client', server, family, '/both'), 'whole');
            });

            test(`from nodes to a pod ${server}, ${family}`, async () => {
              await lab.set('policies', [INGRESS(server)]);
              const [own, other] = server === 'near' ? ['node-1', 'node-2'] : ['node-2', 'node-1'];
              assert.equal(wordOf(await ask(own, server, family, { path: '/anything' })), '200', "a pod's own node reaches it");
              assert.equal(wordOf(await ask(other, server, family, { path: '/in' })), '200');
              assert.equal(wordOf(await ask(other, server, family, { path: '/out' })), '403');
              for (const node of [own, other]) assert.equal(await exchange(node, server, family, '/in'), 'whole', node);
            });
          }

          test(`to the outside, ${family}`, async () => {
            await lab.set('policies', [EGRESS]);
            for (const toOutside of [false, true]) {
              await lab.lab.masquerade({ toOutside });
              const seen = seenBy(await ask('client', 'outside', family, { path: '/out' }));
              assert.equal(seen.from, toOutside ? lab.lab.node('node-1').addresses[family] : addressOf('client', family));
              assert.equal(wordOf(await ask('client', 'outside', family, { path: '/in' })), '403');
              assert.equal(await exchange('client', 'outside', family, '/out'), 'whole');
            }
            await lab.lab.masquerade({});
          });

          test(`where the last link takes smaller packets, ${family}`, async () => {
            await countPathMessages(...lab.lab.nodes);
            await lab.lab.narrow(NARROW);
            for (const [policy, path, node] of [
              [EGRESS, '/out', 'node-1'],
              [INGRESS('far'), '/in', 'node-2'],
            ] as const) {
              await lab.set('policies', [policy]);
              assert.equal(await exchange('client', 'far', family, path), 'whole');
              assert.ok((await pathMessages(lab.lab.node(node), family)) > 0, `${node} has Envoy, and is told`);
            }
            await lab.lab.narrow(MTU[network]);
          });

          test(`UDP goes its own way, ${family}`, async () => {
            await lab.set('policies', [EGRESS]);
            for (const server of SERVERS) {
              const probe = { protocol: 'UDP', to: addressOf(server, family), port: 5353 } as const;
              assert.equal(await lab.lab.pod('client').prober.probe(probe), 'answered', server);
            }
          });
        }
      });
    }
  });
}
