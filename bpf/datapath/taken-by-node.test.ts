import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { ServiceDatapath } from './index.ts';
import { translation } from './services/testing/service-world.ts';
import { CLOSED } from './testing/judged.ts';
import { compileTalker, MarkedTalker } from './testing/marked-talker.ts';
import { NODE_ADDRESSES, sh } from './testing/pod-network.ts';
import { PINS, SteeredWorld, WEB_PORT } from './testing/steered-world.ts';
import type { TransparentProxy } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const FRONTENDS = ['10.96.0.7', 'fd00:96::7'] as const;
/** As backends have it, so that one socket may ask for either. */
const PORT = WEB_PORT;
const LISTENER = 10_010;
/** At each of the node's own addresses. */
const NODE_PORT = 30_080;
/** The node's address towards its pods. */
const TOWARDS_PODS = ['169.254.1.1', NODE_ADDRESSES[1]] as const;

describe('a Service that a listener takes, for the node itself', needs('root', 'bpf', 'netns', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: SteeredWorld;
  let cgroup: Cgroup;
  let listener: TransparentProxy;
  let program: string;
  const taken = (ready = true) => ({
    frontends: [
      ...FRONTENDS.map((address) => ({ address, port: PORT })),
      ...NODE_ADDRESSES.map((address) => ({ address, port: NODE_PORT })),
    ],
    port: LISTENER,
    ready,
  });
  before(async () => {
    world = cleanUp.use(await SteeredWorld.open());
    cgroup = cleanUp.use(new Cgroup());
    program = cleanUp.use(new TemporaryFolder()).join('marked-talker');
    compileTalker(program);
    cleanUp.defer(() => listener?.kill());
    const { addresses } = world.pods.web;
    listener = await world.startServices([{ port: LISTENER, backend: { addresses, port: WEB_PORT } }], cgroup);
    const services = cleanUp.use(await ServiceDatapath.open({ pinFolder: PINS }));
    await services.reconcile(
      FRONTENDS.map((address, family) =>
        translation(`web/${family}`, {
          frontends: [
            [address, PORT],
            [family === 0 ? '0.0.0.0' : '::', NODE_PORT],
          ],
          backends: [[addresses[family] ?? '', WEB_PORT]],
        }),
      ),
    );
    await services.setNodeAddresses(NODE_ADDRESSES);
    services.attach(cgroup.folder);
    world.datapath.ingress.attach(cgroup.folder);
    // As kube-proxy does, for whom nothing else has translated.
    sh(`nft 'table inet proxy { chain out { type nat hook output priority -100;
      ip daddr ${FRONTENDS[0]} dnat ip to ${addresses[0]}; ip6 daddr ${FRONTENDS[1]} dnat ip6 to ${addresses[1]}; }; }'`);
    await world.datapath.taken.set([taken()]);
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    await world.setPolicies({});
    await world.datapath.taken.set([taken()]);
    world.datapath.attachSteering(world.steeringDevice, world.steeringEntry);
  });

  const open = async (to: string, mark = '0', port = PORT) => await MarkedTalker.open(program, { cgroup, mark }, to, port);
  /** What somebody hears who asks, and what the listener hears of it. */
  const ask = async (to: string, mark?: string, port?: number) => {
    const { length } = await listener.connections();
    const { talker, said } = await open(to, mark, port);
    await using _ended = talker;
    const answer = (await talker.ask('who')).split(' ')[0];
    return { said, answer, told: (await listener.connections()).slice(length) };
  };

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const frontend = FRONTENDS[family];
    const webOf = () => world.pods.web.addresses[family];

    const ways =
      family === 0 ? { 'by a socket of IPv6': `::ffff:${frontend}`, 'by one of IPv4': frontend } : { 'by one of IPv6': frontend };
    for (const [what, to] of Object.entries(ways)) {
      test(`is asked of it ${what}, which asks the backend as the node does, whatever pods may`, async () => {
        for (const policies of [{}, { web: CLOSED, client: CLOSED }]) {
          await world.setPolicies(policies);
          const { said, answer, told } = await ask(to);
          const source = said.replace('::ffff:', '');
          assert.equal(answer, TOWARDS_PODS[family]);
          assert.match(told.join(), new RegExp(`^${LISTENER} ${source}/\\d+ ${frontend}/${PORT}$`));
        }
      });
    }

    test(`carries whatever is said, until either side ends it, ${version}`, async () => {
      const { talker } = await open(frontend);
      await using _ended = talker;
      for (let round = 0; round < 3; round += 1) assert.equal(await talker.ask(`line ${round}`), `line ${round}`);
      await world.datapath.taken.set([]);
      assert.equal(await talker.ask('once more'), 'once more', 'what is open stays with the listener');
    });

    test(`is refused while the listener is not there, ${version}`, async () => {
      await world.datapath.taken.set([taken(false)]);
      const opened = world.opened();
      const { talker, said } = await open(frontend);
      await talker[Symbol.asyncDispose]();
      assert.equal(said, 'Connection refused');
      assert.equal(world.opened(), opened);
    });

    test(`gets to nobody by another way where nothing steers, ${version}`, async () => {
      const before = await open(frontend);
      await using _ended = before.talker;
      world.datapath.attachSteering(world.steeringDevice);
      const [opened, counted] = [world.opened(), world.counted('dropped-listener')];
      const { talker, said } = await open(frontend);
      await talker[Symbol.asyncDispose]();
      assert.match(said, /^(EPERM|timeout)$/);
      assert.notEqual(await before.talker.ask('hello'), 'hello');
      assert.equal(world.opened(), opened);
      assert.ok(world.counted('dropped-listener') > counted);
    });

    test(`is translated again when nobody takes it, ${version}`, async () => {
      await world.datapath.taken.set([]);
      const { answer, told } = await ask(frontend);
      assert.deepEqual([answer, told], [TOWARDS_PODS[family], []]);
    });

    test(`is translated at the node's own addresses, where no route leads anywhere, ${version}`, async () => {
      const { answer, told } = await ask(NODE_ADDRESSES[family], '0', NODE_PORT);
      assert.deepEqual([answer, told], [TOWARDS_PODS[family], []]);
    });

    test(`is translated for what Envoy opens, so that it never asks itself, ${version}`, async () => {
      assert.deepEqual((await ask(frontend, '100')).told, []);
    });

    test(`leaves nothing at a socket that asks for something else, ${version}`, async () => {
      const { answer, told } = await ask(`${frontend},${webOf()}`);
      assert.equal(answer, TOWARDS_PODS[family]);
      assert.deepEqual(
        told.filter((line) => line.endsWith(` ${webOf()}/${PORT}`)),
        [],
      );
    });
  }
});
