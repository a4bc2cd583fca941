import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { TcpSockets } from '../../agent/netlink/index.ts';
import { OPENED_FOR_PODS } from '../../agent/network/index.ts';
import { UPSTREAM_PORTS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { allow, CLIENT, CLOSED, closedBut, WEB } from './testing/judged.ts';
import { PodServer } from './testing/pod-server.ts';
import { ServiceEnvoy } from './testing/service-envoy.ts';
import { EGRESS_SLOT, SteeredWorld, steered } from './testing/steered-world.ts';
import { portsOf } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const FRONTENDS = ['10.96.0.7', 'fd00:96::7'] as const;
const PORT = 80;
const BACKEND_PORT = 8090;
const LISTENER = 10_010;
/** Answers each request by who asks, and by which of his connections, which it never ends. */
const SERVER = `require('http').createServer((request, response) =>
  response.end(request.socket.remoteAddress.replace('::ffff:', '') + ' ' + request.socket.remotePort))
  .on('connection', (socket) => socket.setTimeout(0)).listen(${BACKEND_PORT}, '::').keepAliveTimeout = 0`;

describe('a Service that a stock Envoy takes', needs('root', 'bpf', 'netns', 'ipv6', 'envoy'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: SteeredWorld;
  before(async () => {
    world = cleanUp.use(await SteeredWorld.open());
    const { pods, datapath } = world;
    cleanUp.use(new PodServer(pods.web, SERVER));
    const cgroup = cleanUp.use(new Cgroup());
    const folder = cleanUp.use(new TemporaryFolder());
    cleanUp.use(new ServiceEnvoy({ port: LISTENER, backend: { addresses: pods.web.addresses, port: BACKEND_PORT } }, { cgroup, folder }));
    datapath.ingress.attach(cgroup.folder);
    await datapath.taken.set([{ frontends: FRONTENDS.map((address) => ({ address, port: PORT })), port: LISTENER, ready: true }]);
    for (const family of [0, 1] as const)
      await eventually(async () => assert.equal((await ask('client', family)).status, '200'), { withinMs: 20_000 });
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await world.setPolicies({});
    // As the enforcer does.
    using sockets = TcpSockets.open();
    sockets.destroyAll(OPENED_FOR_PODS);
  });

  async function ask(from: 'client' | 'other' | 'web', family: 0 | 1): Promise<{ status: string; source: string; port: number }> {
    const [command = '', ...enter] = world.pods[from].enter;
    const url = family === 0 ? `http://${FRONTENDS[0]}/` : `http://[${FRONTENDS[1]}]/`;
    const curl = ['curl', '-s', '-m', '2', '-w', '\n%{http_code}', url];
    const { stdout } = await promisify(execFile)(command, [...enter, ...curl]).catch(({ stdout: said }) => ({ stdout: String(said) }));
    const [answer = '', status = ''] = stdout.split('\n');
    const [source = '', port] = answer.split(' ');
    return { status, source, port: Number(port) };
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';

    test(`has a connection of its own for each client, which it keeps for him, ${version}`, async () => {
      const seen = new Map<string, number>();
      for (let round = 0; round < 3; round += 1) {
        for (const from of ['client', 'other'] as const) {
          const { status, source, port } = await ask(from, family);
          assert.deepEqual([status, source], ['200', world.pods[from].addresses[family]]);
          assert.ok(port >= UPSTREAM_PORTS.services.first && port <= UPSTREAM_PORTS.services.last);
          assert.equal(port, seen.get(from) ?? port, 'the same connection');
          seen.set(from, port);
        }
      }
    });

    test(`asks nobody by a connection that it keeps, once the client may not, ${version}`, async () => {
      assert.equal((await ask('client', family)).status, '200');
      await world.setPolicies({ client: CLOSED });
      assert.notEqual((await ask('client', family)).status, '200');
      assert.equal((await ask('other', family)).status, '200');
      await world.setPolicies({ client: closedBut(allow(WEB, BACKEND_PORT)), web: closedBut(allow(CLIENT, BACKEND_PORT)) });
      await eventually(async () => assert.equal((await ask('client', family)).status, '200'), { withinMs: 20_000 });
      assert.notEqual((await ask('other', family)).status, '200');
    });

    test(`asks by way of the client's slot, ${version}`, async () => {
      await world.setPolicies({ client: steered(EGRESS_SLOT, WEB, BACKEND_PORT) });
      const { length } = await world.proxy.connections();
      await eventually(async () => assert.equal((await ask('client', family)).status, '200'), { withinMs: 20_000 });
      assert.ok(portsOf((await world.proxy.connections()).slice(length)).includes(EGRESS_SLOT.port));
    });

    test(`may be asked by its own backend, ${version}`, async () => {
      const { status, source } = await ask('web', family);
      assert.equal(status, '200');
      assert.notEqual(source, world.pods.web.addresses[family]);
    });
  }
});
