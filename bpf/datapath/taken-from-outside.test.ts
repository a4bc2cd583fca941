import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { cookieOf, TcpSockets } from '../../agent/netlink/index.ts';
import { OPENED_FOR_INGRESSES, OPENED_FOR_OUTSIDE, OPENED_FOR_PODS } from '../../agent/network/index.ts';
import { type DirectionPolicy, type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { FarHost } from './testing/far-host.ts';
import { allow, CLOSED, closedBut, OPEN, OTHER, WEB } from './testing/judged.ts';
import { NODE_ADDRESSES, sh } from './testing/pod-network.ts';
import { PodServer } from './testing/pod-server.ts';
import { ServiceEnvoy } from './testing/service-envoy.ts';
import { INGRESS_SLOT, OTHER_INGRESS_SLOT, SteeredWorld, steered } from './testing/steered-world.ts';
import { Tunnel } from './testing/tunnel.ts';

enterOwnNamespaces();

/** The node's own, at a node port; and that of a load balancer, which no device has. */
const PLACES = {
  'a node port': { addresses: NODE_ADDRESSES, port: 30_080 },
  "a load balancer's address": { addresses: ['198.51.100.7', '2001:db8:7::7'], port: 80 },
  'one by a tunnel': { addresses: ['198.51.100.8', '2001:db8:8::8'], port: 80 },
} as const;
type Place = keyof typeof PLACES;
const ALL = ['a node port', "a load balancer's address"] as const satisfies readonly Place[];
const BACKEND_PORT = 8090;
const LISTENER = 10_010;
/** Of the narrowest link to the far host. */
const NARROW = 1_300;
const LARGE_BYTES = 200_000;
/** Answers each request by who asks, and whom that is for, and with as many bytes as the path says. */
const SERVER = `require('http').createServer((request, response) =>
  response.end([request.socket.remoteAddress.replace('::ffff:', ''), request.headers['x-forwarded-for']].join(' ')
    + ' '.repeat(Number(request.url.slice(1)))))
  .on('connection', (socket) => socket.setTimeout(0)).listen(${BACKEND_PORT}, '::').keepAliveTimeout = 0`;

interface Policies {
  readonly web?: DirectionPolicy;
  /** Who may come to them. */
  readonly ofIngresses?: DirectionPolicy;
  readonly toBackends?: DirectionPolicy;
  /** Of `web`. */
  readonly audits?: true;
}

interface Asking {
  /** Default: `outside`. */
  readonly from?: 'outside' | 'far' | 'client';
  /** How large the answer is to be. */
  readonly bytes?: number;
  readonly withinS?: number;
}

describe('a Service that a listener takes, asked from outside of the node', needs('root', 'bpf', 'netns', 'ipv6', 'envoy'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: SteeredWorld;
  let far: FarHost;
  let tunnel: Tunnel;
  const worldOf = (family: 0 | 1): Identity => RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];
  const taken = ({ fromOutside = true, ready = true } = {}) =>
    Object.values(PLACES).map(({ addresses, port }) => ({
      frontends: addresses.map((address) => ({ address, port, fromOutside })),
      port: LISTENER,
      ready,
    }));
  before(async () => {
    world = cleanUp.use(await SteeredWorld.open());
    far = cleanUp.use(await FarHost.behind(world, { mtu: NARROW }));
    const { pods, datapath } = world;
    cleanUp.use(new PodServer(pods.web, SERVER));
    const cgroup = cleanUp.use(new Cgroup());
    const folder = cleanUp.use(new TemporaryFolder());
    cleanUp.use(new ServiceEnvoy({ port: LISTENER, backend: { addresses: pods.web.addresses, port: BACKEND_PORT } }, { cgroup, folder }));
    // As kube-proxy does.
    const rules = Object.values(PLACES).flatMap(({ addresses: [ipv4, ipv6], port }) => [
      `ip daddr ${ipv4} tcp dport ${port} dnat ip to ${pods.web.addresses[0]}:${BACKEND_PORT}`,
      `ip6 daddr ${ipv6} tcp dport ${port} dnat ip6 to [${pods.web.addresses[1]}]:${BACKEND_PORT}`,
    ]);
    sh(`nft 'table inet proxy { chain in { type nat hook prerouting priority -100; ${rules.join('; ')}; }; }'`);
    tunnel = cleanUp.use(await Tunnel.open(pods.outside, ['192.0.2.9', '2001:db8:9::9'], PLACES['one by a tunnel'].addresses, folder));
    datapath.attachNetwork(tunnel.ifindex);
    datapath.ingress.attach(cgroup.folder);
    datapath.ingress.setClient({ identity: OTHER, addresses: pods.other.addresses, needsAddress: true });
    await setPolicies({});
    await datapath.taken.set(taken());
    for (const place of ALL)
      for (const family of [0, 1] as const)
        await eventually(async () => assert.equal((await ask(place, family)).status, '200'), { withinMs: 20_000 });
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await setPolicies({});
    await world.datapath.taken.set(taken());
    endOpenings();
  });

  async function setPolicies({ web = OPEN, ofIngresses = OPEN, toBackends = OPEN, ...flags }: Policies): Promise<void> {
    await world.datapath.verdicts.set([
      { subject: WEB, ingress: web, egress: OPEN, ...flags },
      { subject: OTHER, ingress: ofIngresses, egress: toBackends },
    ]);
  }

  /** As the enforcer does. */
  function endOpenings(): void {
    using sockets = TcpSockets.open();
    for (const opened of [OPENED_FOR_INGRESSES, OPENED_FOR_PODS]) sockets.destroyAll(opened);
  }

  async function ask(
    place: Place,
    family: 0 | 1,
    { from = 'outside', bytes = 0, withinS = 5 }: Asking = {},
  ): Promise<{ status: string; source: string; client: string | undefined }> {
    const { addresses, port } = PLACES[place];
    const [command = '', ...enter] = (from === 'far' ? far : world.pods[from]).enter;
    const host = family === 0 ? addresses[0] : `[${addresses[1]}]`;
    const curl = ['curl', '-s', '-m', String(withinS), '-w', '\n%{http_code}', `http://${host}:${port}/${bytes}`];
    const { stdout } = await promisify(execFile)(command, [...enter, ...curl]).catch(({ stdout: said }) => ({ stdout: String(said) }));
    const [answer = '', status = ''] = stdout.split('\n');
    const [source = '', client] = answer.trim().split(' ');
    return { status, source, client };
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const outside = worldOf(family);
    for (const place of ALL) {
      test(`is asked by ${place}, for whom asks, with the ingress address, ${version}`, async () => {
        const { outside: asking, other, client } = world.pods;
        const seen = await ask(place, family);
        assert.deepEqual(seen, { status: '200', source: other.addresses[family], client: asking.addresses[family] });
        const address = client.addresses[family];
        assert.deepEqual(await ask(place, family, { from: 'client' }), { status: '200', source: address, client: address });
      });

      test(`is left to others by ${place} where that is said, ${version}`, async () => {
        await world.datapath.taken.set(taken({ fromOutside: false }));
        const { status, source, client } = await ask(place, family);
        assert.deepEqual([status, source, client], ['200', world.pods.outside.addresses[family], undefined]);
        assert.equal((await ask(place, family, { from: 'client' })).client, world.pods.client.addresses[family]);
      });

      test(`gets to nobody by ${place} while the listener is not there, ${version}`, async () => {
        await world.datapath.taken.set(taken({ ready: false }));
        const [opened, counted] = [world.opened(), world.counted('dropped-listener')];
        assert.equal((await ask(place, family, { withinS: 0.5 })).status, '000');
        assert.equal(world.opened(), opened);
        assert.ok(world.counted('dropped-listener') > counted);
      });
    }

    const by = (slot: typeof INGRESS_SLOT | typeof OTHER_INGRESS_SLOT, peer: Identity) => steered(slot, peer, BACKEND_PORT).verdicts;
    const { port } = PLACES['a node port'];
    for (const [what, policies, expected] of [
      ['a backend that lets nobody in', { web: CLOSED }, '503'],
      ['one that lets nobody in, and only tells', { web: CLOSED, audits: true }, '200'],
      ['one that lets Ingresses in, and not him', { web: closedBut(allow(OTHER)) }, '503'],
      ['one that lets him in, and not Ingresses', { web: closedBut(allow(outside)) }, '503'],
      ['one that lets both in', { web: closedBut(allow(OTHER, BACKEND_PORT), allow(outside, BACKEND_PORT)) }, '200'],
      ['one with rules for both', { web: closedBut(...by(INGRESS_SLOT, OTHER), ...by(INGRESS_SLOT, outside)) }, '200'],
      ['one with other rules for him', { web: closedBut(...by(INGRESS_SLOT, OTHER), ...by(OTHER_INGRESS_SLOT, outside)) }, '503'],
      ['one with rules for him alone', { web: closedBut(allow(OTHER), ...by(INGRESS_SLOT, outside)) }, '503'],
      ['Ingresses that let nobody in', { ofIngresses: CLOSED }, '000'],
      ['Ingresses that let him in', { ofIngresses: closedBut(allow(outside, port)) }, '200'],
      ['Ingresses that let him in at another port', { ofIngresses: closedBut(allow(outside, port + 1)) }, '000'],
      ['Ingresses with rules for him', { ofIngresses: steered(INGRESS_SLOT, outside, port) }, '000'],
      ['Ingresses that may go nowhere', { toBackends: CLOSED }, '503'],
      ['Ingresses that may go there', { toBackends: closedBut(allow(WEB, BACKEND_PORT)) }, '200'],
    ] as const satisfies readonly (readonly [string, Policies, string])[]) {
      test(`${expected} for who asks ${what}, ${version}`, async () => {
        await setPolicies(policies);
        endOpenings();
        assert.equal((await ask('a node port', family, { withinS: expected === '000' ? 0.5 : 5 })).status, expected);
      });
    }

    test(`asks nobody by a connection that it keeps, once the backend lets the client in no more, ${version}`, async () => {
      assert.equal((await ask('a node port', family)).status, '200');
      const counted = world.counted('dropped-not-allowed');
      await setPolicies({ web: closedBut(allow(OTHER)) });
      assert.notEqual((await ask('a node port', family, { withinS: 0.5 })).status, '200');
      assert.ok(world.counted('dropped-not-allowed') > counted);
    });

    test(`is told which connections it keeps that the backend lets in no more, ${version}`, async () => {
      const { datapath } = world;
      endOpenings();
      assert.equal((await ask('a node port', family)).status, '200');
      assert.equal((await ask('a node port', family, { from: 'client' })).status, '200');
      assert.deepEqual(datapath.staleOpenings(), new Set());
      await setPolicies({ web: closedBut(allow(OTHER)) });
      using sockets = TcpSockets.open();
      const kept = sockets.list(OPENED_FOR_OUTSIDE);
      assert.equal(kept.length, 1);
      assert.deepEqual(datapath.staleOpenings(), new Set(kept.map(cookieOf)));
      await setPolicies({});
      assert.deepEqual(datapath.staleOpenings(), new Set());
    });

    test(`is asked of no backend on another node without an ingress address, and of one here as Ingresses, ${version}`, async () => {
      const { datapath, pods } = world;
      datapath.ingress.setClient({ identity: OTHER, addresses: [], needsAddress: false });
      endOpenings();
      const { status, source } = await ask('a node port', family);
      assert.deepEqual([status, source === pods.outside.addresses[family]], ['200', false]);
      await setPolicies({ web: closedBut(allow(outside)) });
      endOpenings();
      assert.equal((await ask('a node port', family)).status, '503');
      datapath.ingress.setClient({ identity: OTHER, addresses: [], needsAddress: true });
      await setPolicies({});
      endOpenings();
      assert.equal((await ask('a node port', family)).status, '503');
      datapath.ingress.setClient({ identity: OTHER, addresses: pods.other.addresses, needsAddress: true });
    });

    test(`is open as long as its listener has it, whoever has the Service, ${version}`, async () => {
      const { addresses, port: at } = PLACES["a load balancer's address"];
      const { outside: peer } = world.peers;
      const speak = async () => await peer.ask('open', 'HEAD /0 HTTP/1.1\r\nhost: a\r\n\r');
      assert.equal(await peer.connect('open', addresses[family], at), 'connected');
      for (const now of [taken(), [], taken({ fromOutside: false }), taken({ ready: false })]) {
        await world.datapath.taken.set(now);
        assert.match(await speak(), /^HTTP\/1.1 200/);
      }
      await peer.close('open');
    });

    test(`is open as it was to whom others had led, ${version}`, async () => {
      const { addresses, port: at } = PLACES["a load balancer's address"];
      const { outside: peer } = world.peers;
      const speak = async () => await peer.ask('before', 'HEAD /0 HTTP/1.1\r\nhost: a\r\n\r');
      await world.datapath.taken.set([]);
      assert.equal(await peer.connect('before', addresses[family], at), 'connected');
      for (const now of [[], taken(), taken({ ready: false }), []]) {
        await world.datapath.taken.set(now);
        const said = await speak();
        assert.match(said, /^HTTP\/1.1 200/);
        assert.doesNotMatch(said, /server: envoy/);
      }
      await peer.close('before');
    });

    test(`is asked by way of a device that has no Ethernet, ${version}`, async () => {
      const { status, client } = await ask('one by a tunnel', family, { bytes: LARGE_BYTES });
      assert.deepEqual([status, client], ['200', tunnel.addresses[family]]);
    });

    test(`answers a host behind a link that takes smaller packets, ${version}`, async () => {
      far.forgetPaths();
      assert.equal((await ask("a load balancer's address", family, { from: 'far', bytes: LARGE_BYTES })).status, '200');
    });
  }
});
