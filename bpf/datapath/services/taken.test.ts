import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { openMap } from 'libbpf-ts';
import { needs } from '../../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import { enterOwnNamespaces } from '../../libbpf-ts/testing/own-namespaces.ts';
import { maps } from '../gen/service.ts';
import { compileTalker, MarkedTalker } from '../testing/marked-talker.ts';
import { encodeAddress } from './address.ts';
import { PINS, ServiceWorld, translation } from './testing/service-world.ts';
import type { SocketClient } from './testing/socket-client.ts';

enterOwnNamespaces();

const FRONTENDS = ['192.0.2.1', '2001:db8::1'] as const;
const BACKENDS = ['10.1.0.1', 'fd01::1'] as const;
const PORT = 80;
const LISTENER = 10_001;

describe('a Service that a listener takes, at the socket', needs('root', 'bpf', 'ipv6'), () => {
  let world: ServiceWorld;
  let pod: SocketClient;
  let program: string;
  const folder = new TemporaryFolder();
  before(async () => {
    program = folder.join('marked-talker');
    compileTalker(program);
    const services = (['TCP', 'UDP'] as const).flatMap((protocol) =>
      FRONTENDS.map((address, family) =>
        translation(`${protocol}/${family}`, { protocol, frontends: [[address, PORT]], backends: [[BACKENDS[family] ?? '', 8080]] }),
      ),
    );
    const empty = translation('empty', { frontends: FRONTENDS.map((address) => [address, PORT + 1]) });
    world = await ServiceWorld.start([...services, empty]);
    pod = world.join('own');
    for (const address of BACKENDS) await pod.ask({ kind: 'serve', address, port: 8080 });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    folder.dispose();
  });
  afterEach(() => change('not taken'));

  function change(to: 'taken' | 'not ready' | 'not taken'): void {
    using map = openMap(`${PINS}/taken_services`, ...maps.taken_services);
    for (const address of FRONTENDS) {
      for (const port of [PORT, PORT + 1]) {
        const key = encodeAddress({ address, port }, 'TCP');
        if (to === 'not taken') map.delete(key);
        else map.set(key, { address: key, port: LISTENER, is_ready: to === 'taken' ? 1 : 0, is_from_outside: 0 });
      }
    }
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const frontend = FRONTENDS[family];
    const translated = { backend: `${BACKENDS[family]} 8080`, peer: `${frontend} ${PORT}` };

    test(`is left as it is to pods, whether the listener is there or not, ${version}`, async () => {
      assert.deepEqual(await pod.tcp(frontend, PORT), translated);
      for (const state of ['taken', 'not ready'] as const) {
        change(state);
        // Nobody leads packets to a listener here, and nobody else has the address.
        assert.equal((await pod.tcp(frontend, PORT)).error, 'ENETUNREACH', state);
      }
      change('not taken');
      assert.deepEqual(await pod.tcp(frontend, PORT), translated);
    });

    test(`is left to pods without a backend, too, ${version}`, async () => {
      assert.equal((await pod.tcp(frontend, PORT + 1)).error, 'ECONNREFUSED');
      change('taken');
      assert.equal((await pod.tcp(frontend, PORT + 1)).error, 'ENETUNREACH');
    });

    test(`is asked of the listener by the node's own processes, and refused without one, ${version}`, async () => {
      assert.deepEqual(await world.client.tcp(frontend, PORT), translated);
      for (const port of [PORT, PORT + 1]) {
        change('taken');
        // Nobody leads it there.
        assert.equal((await world.client.tcp(frontend, port)).error, 'ENETUNREACH');
        change('not ready');
        assert.equal((await world.client.tcp(frontend, port)).error, 'ECONNREFUSED');
      }
    });

    test(`is translated for Envoy, ${version}`, async () => {
      change('taken');
      const answers = [];
      for (const mark of ['0', '4000', '100', 'b00', 'd00', 'd02', '27120d03']) {
        const { talker, said } = await MarkedTalker.open(program, { cgroup: world.cgroup, mark }, frontend, PORT);
        await talker[Symbol.asyncDispose]();
        answers.push(said);
      }
      assert.deepEqual(answers.slice(0, 2), Array(2).fill('Network is unreachable'));
      assert.deepEqual(answers.slice(2), Array(5).fill(BACKENDS[family]));
    });

    test(`is translated where datagrams are sent to the same port, ${version}`, async () => {
      change('taken');
      const name = `datagrams ${family}`;
      assert.deepEqual(await pod.udp(name, frontend, PORT), translated);
      await pod.ask({ kind: 'close', socket: name });
    });
  }
});
