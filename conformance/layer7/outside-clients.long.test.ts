import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, type Family, OUTSIDE } from '../lab/netns/index.ts';
import { type HttpAsk, seenBy, wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';
import { HOLDER, ofIngress } from './served-by-ingress.ts';
import { BY_LISTENER, SHOP, type ShopText, shopConfig, shopServices, stamping } from './shop-config.ts';
import { type Manifest, SteeredLab } from './steered-lab.ts';

const PODS = [
  { name: 'client', node: 'node-1', labels: { app: 'client' } },
  { name: 'one', node: 'node-1', labels: { app: 'one' } },
  { name: 'two', node: 'node-2', labels: { app: 'two' } },
  { name: 'holder-1', node: 'node-1', ...HOLDER },
  { name: 'holder-2', node: 'node-2', ...HOLDER },
] as const;
const CLIENT = 'x-client';
const LED: ShopText = {
  weights: { one: 50, two: 50 },
  mark: 'led',
  httpFilters: [stamping(CLIENT, '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%')],
};
const NODE_PORT = 30_080;
const BALANCER = { ipv4: '198.51.100.77', ipv6: '2001:db8:77::1' } as const;
const EXTERNAL = { ipv4: '198.51.100.78', ipv6: '2001:db8:78::1' } as const;
const PLACES = ['a node port', "a load balancer's address", 'an external address'] as const;
type Place = (typeof PLACES)[number];

/** The Service as it is asked from outside. */
function shop(lab: SteeredLab, more: Manifest = {}): readonly Manifest[] {
  return shopServices(lab).map((object) => {
    const { kind, metadata } = object;
    if (kind !== 'Service' || JSON.stringify(metadata) !== '{"name":"shop"}') return object;
    const clusterIPs = Object.values(SHOP);
    const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: NODE_PORT }];
    const spec = { type: 'LoadBalancer', clusterIP: SHOP.ipv4, clusterIPs, externalIPs: Object.values(EXTERNAL), ports, ...more };
    return { ...object, spec, status: { loadBalancer: { ingress: Object.values(BALANCER).map((ip) => ({ ip })) } } };
  });
}

describe(
  'a Service that a listener of a config takes, asked from outside of the node',
  needs('root', 'netns', 'envoy', 'bpf', 'ipv6'),
  () => {
    const cleanUp = new AsyncDisposableStack();
    let lab: SteeredLab;
    before(async () => {
      lab = cleanUp.use(await SteeredLab.start({ network: 'routed', pods: PODS }));
      for (const name of ['one', 'two']) await lab.peer(name).serve();
      await lead();
      lab.write('services', shop(lab));
      await lab.set('config', [shopConfig(LED)]);
      for (const family of FAMILIES) for (const place of PLACES) await isLed(place, family);
    });
    after(() => cleanUp.disposeAsync());
    afterEach(async () => {
      await lab.set('policies', []);
      for (const family of FAMILIES)
        for (const path of ['/one', '/two']) await eventually(async () => assert.equal(await said('a node port', family, { path }), '200'));
    });

    /** Has others lead to the first pod, as kube-proxy does, and the world outside to the first node. */
    async function lead(): Promise<void> {
      const node = lab.lab.node('node-1');
      for (const family of FAMILIES) {
        const [ip, pod] = [family === 'ipv4' ? 'ip' : 'ip6', lab.lab.pod('one').addresses[family]];
        const asked = [BALANCER, EXTERNAL].map((addresses) => `${ip} daddr ${addresses[family]} tcp dport 80`);
        const all = [...asked, `fib daddr type local meta nfproto ${family} tcp dport ${NODE_PORT}`];
        const rules = all.map((what) => `${what} dnat ${ip} to ${family === 'ipv4' ? pod : `[${pod}]`}:80`);
        const marked = `ct status dnat ${ip} daddr ${pod} masquerade`;
        await node.run(
          ['nft', '-f', '-'],
          `table inet proxy-${family} { chain in { type nat hook prerouting priority dstnat; ${rules.join('; ')}; }
         chain out { type nat hook postrouting priority srcnat; ${marked}; }; }`,
        );
        const via = node.plan.addresses[family];
        for (const addresses of [BALANCER, EXTERNAL])
          await lab.lab.outside.run([
            'ip',
            ...(family === 'ipv4' ? [] : ['-6']),
            'route',
            'add',
            addresses[family],
            'via',
            via,
            'src',
            OUTSIDE[0][family],
          ]);
      }
    }

    function placeOf(place: Place, family: Family): Pick<HttpAsk, 'to' | 'port'> {
      if (place === 'a node port') return { to: lab.lab.node('node-1').plan.addresses[family], port: NODE_PORT };
      return { to: (place === 'an external address' ? EXTERNAL : BALANCER)[family] };
    }
    const ask = async (from: string, place: Place, family: Family, more: Omit<HttpAsk, 'to' | 'port'> = {}) =>
      await lab.peer(from).ask({ ...placeOf(place, family), ...more });
    const said = async (place: Place, family: Family, more?: Omit<HttpAsk, 'to' | 'port'>) =>
      wordOf(await ask('outside', place, family, more));
    const markFor = async (from: string, place: Place, family: Family) => seenBy(await ask(from, place, family)).headers[BY_LISTENER];
    const isLed = async (place: Place, family: Family, is = true) =>
      await eventually(async () => assert.equal(await markFor('outside', place, family), is ? 'led' : undefined));
    /** Which of the pods are, by who asks one after the other. */
    const reached = async (family: Family) =>
      await Promise.all(['/one', '/two'].map(async (path) => (await said('a node port', family, { path })) === '200'));
    const addressOf = (pod: string, family: Family) => lab.lab.pod(pod).addresses[family];
    const [world] = OUTSIDE;

    for (const family of FAMILIES) {
      for (const place of PLACES) {
        test(`is asked by ${place} for whom asks, ${family}`, async () => {
          for (const [who, seen, client] of [
            ['outside', addressOf('holder-1', family), world[family]],
            ['client', addressOf('client', family), addressOf('client', family)],
          ] as const) {
            for (const path of ['/one', '/two']) {
              const { from, headers, server } = seenBy(await ask(who, place, family, { path }));
              assert.deepEqual([`/${server}`, headers[BY_LISTENER], headers[CLIENT], from], [path, 'led', client, seen], who);
            }
          }
        });
      }

      test(`is asked of one node by pods and processes of another, and by its own at the Service's address alone, ${family}`, async () => {
        const { headers, from } = seenBy(await ask('two', 'a node port', family, { path: '/one' }));
        assert.deepEqual([headers[CLIENT], from], [addressOf('two', family), addressOf('holder-1', family)]);
        assert.equal(await markFor('node-2', 'a node port', family), 'led');
        assert.equal(await markFor('node-1', 'a node port', family), undefined);
        assert.equal(await markFor('node-1', "a load balancer's address", family), 'led');
      });

      test(`is asked of backends that let Ingresses in, and of one on the own node that lets him in, ${family}`, async () => {
        const backends = async (...entities: readonly string[]) => {
          const ingress = [{ fromEntities: entities, toPorts: [tcpPort(80)] }];
          await lab.set(
            'policies',
            ['one', 'two'].map((name) => ciliumPolicy({ name, app: name, ingress })),
          );
          return await reached(family);
        };
        for (const [entities, expected] of [
          [
            ['ingress', 'world'],
            [true, true],
          ],
          [['ingress'], [false, true]],
          [
            ['world', 'remote-node'],
            [false, false],
          ],
        ] as const) {
          const isAsExpected = async () => assert.deepEqual(await backends(...entities), expected, entities.join());
          await eventually(isAsExpected);
        }
      });

      test(`is refused at once where a backend lets him in no more, also by a connection that Envoy keeps, ${family}`, async () => {
        assert.equal(await said('a node port', family, { path: '/one' }), '200');
        await lab.set('policies', [ciliumPolicy({ name: 'one', app: 'one', ingress: [{ fromEntities: ['ingress'] }] })]);
        assert.equal(await said('a node port', family, { path: '/one' }), '503');
      });

      test(`is asked what rules of a backend allow Ingresses and him, ${family}`, async () => {
        const toPorts = [tcpPort(80, [{ path: '/one/.*' }])];
        const word = async (path: string) => await said('a node port', family, { path });
        for (const [rules, expected] of [
          [[{ fromEntities: ['ingress', 'world'], toPorts }], ['200', '403']],
          [
            [{ fromEntities: ['world'], toPorts }, { fromEntities: ['ingress'] }],
            ['503', '503'],
          ],
        ] as const) {
          await lab.set('policies', [ciliumPolicy({ name: 'one', app: 'one', ingress: rules })]);
          await eventually(async () => assert.deepEqual([await word('/one/a'), await word('/one')], expected));
        }
      });

      test(`is asked by whom a policy for Ingresses lets in, and where they may go, ${family}`, async () => {
        await lab.set('policies', [ofIngress({ ingress: [{ fromEntities: ['cluster'] }] })]);
        assert.equal(await said('a node port', family, { timeoutMs: 500 }), 'timeout');
        assert.equal(wordOf(await ask('two', 'a node port', family)), '200');
        await lab.set('policies', [ofIngress({ ingress: [{ fromEntities: ['world'], toPorts: [tcpPort(NODE_PORT)] }] })]);
        assert.equal(await said('a node port', family), '200');
        assert.equal(await said("a load balancer's address", family, { timeoutMs: 500 }), 'timeout');
        await lab.set('policies', [ofIngress({ egress: [{ toEndpoints: app('two') }] })]);
        await eventually(async () => assert.deepEqual(await reached(family), [false, true]));
      });

      test(`reaches no pod by another way while Envoy is away, ${family}`, async () => {
        const { length } = await lab.peer('one').served();
        const outside = lab.peer('outside');
        await outside.begin('load', { ...placeOf('a node port', family), timeoutMs: 500 });
        await lab.sluices.get('node-1')?.killEnvoy();
        await isLed('a node port', family);
        assert.ok(((await outside.end('load')).outcomes['200'] ?? 0) > 0);
        const marks = (await lab.peer('one').served()).slice(length).map(({ headers }) => headers[BY_LISTENER]);
        assert.deepEqual([...new Set(marks)], ['led']);
      });

      test(`stays with the listener when Sluice is started anew, ${family}`, async () => {
        const outside = lab.peer('outside');
        const { length } = await lab.peer('one').served();
        await outside.begin('load', placeOf('a node port', family));
        await lab.sluices.get('node-1')?.kill();
        await lab.startSluice('node-1');
        await isLed('a node port', family);
        assert.deepEqual(Object.keys((await outside.end('load')).outcomes), ['200']);
        const marks = (await lab.peer('one').served()).slice(length).map(({ headers }) => headers[BY_LISTENER]);
        assert.deepEqual([...new Set(marks)], ['led']);
      });

      test(`is others' again when the config is gone, and led when it is back, without a failed request, ${family}`, async () => {
        const outside = lab.peer('outside');
        await outside.begin('new', placeOf('a node port', family));
        await outside.begin('kept', { ...placeOf('a node port', family), connection: 'kept' });
        await lab.unset('config');
        await isLed('a node port', family, false);
        await lab.set('config', [shopConfig(LED)]);
        await isLed('a node port', family);
        for (const load of ['new', 'kept']) assert.deepEqual(Object.keys((await outside.end(load)).outcomes), ['200'], load);
      });

      test(`is left to others where these hold to what a listener does not, ${family}`, async () => {
        const marks = async (from: string) => await Promise.all(PLACES.map((place) => markFor(from, place, family)));
        for (const [more, expected] of [
          [{ externalTrafficPolicy: 'Local' }, [undefined, undefined, undefined]],
          [{ loadBalancerSourceRanges: ['203.0.113.0/24', '2001:db8:ff::/48'] }, ['led', undefined, 'led']],
          [{ externalTrafficPolicy: 'Cluster' }, ['led', 'led', 'led']],
        ] as const) {
          lab.write('services', shop(lab, more));
          await eventually(async () => assert.deepEqual(await marks('outside'), expected));
          if (!('loadBalancerSourceRanges' in more)) assert.deepEqual(await marks('client'), ['led', 'led', 'led']);
        }
      });
    }
  },
);
