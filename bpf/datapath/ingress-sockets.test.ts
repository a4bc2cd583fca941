import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { Datapath } from './index.ts';
import { allow, CLOSED, closedBut, OPEN, SMALL, verdict, WEB } from './testing/judged.ts';
import { compileTalker, MarkedTalker } from './testing/marked-talker.ts';
import { NODE_ADDRESSES, PodNetwork, type TestPod } from './testing/pod-network.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const FAMILIES = [0, 1] as const;
const INGRESS = RESERVED_IDENTITIES.ingress;
const MARK = 'd00';
const PORT = 8080;
const OUTSIDE = ['192.0.2.1', '2001:db8::1'] as const;
const LOOPBACK = [
  ['127.0.0.1', '127.1.2.3'],
  ['::1', '::ffff:127.0.0.1'],
] as const;
const UNSPECIFIED = [['0.0.0.0'], ['::', '::ffff:0.0.0.0']] as const;

describe('what Envoy opens for Ingresses', needs('root', 'bpf', 'netns', 'ipv6'), () => {
  const cleanUp = new DisposableStack();
  let datapath: Datapath;
  let cgroup: Cgroup;
  let client: string;
  let talkerProgram: string;
  let web: TestPod;
  let holder: TestPod;
  before(async () => {
    const network = cleanUp.use(new PodNetwork());
    cgroup = cleanUp.use(new Cgroup());
    const folder = cleanUp.use(new TemporaryFolder());
    [client, talkerProgram] = [folder.join('marked-client'), folder.join('marked-talker')];
    compileTalker(talkerProgram);
    execFileSync('clang', ['-o', client, fileURLToPath(new URL('testing/marked-client.c', import.meta.url))]);
    [web, holder] = [await network.addPod('web', 1), await network.addPod('holder', 9)];
    execFileSync('ip', ['route', 'add', `${OUTSIDE[0]}/32`, 'dev', web.name]);
    execFileSync('ip', ['route', 'add', `${OUTSIDE[1]}/128`, 'dev', web.name]);
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    cleanUp.defer(() => datapath.cleanUp());
    const hosts = [...NODE_ADDRESSES, '169.254.1.1', 'fe80::1'];
    await datapath.addresses.apply({
      set: [
        ...entries(web.addresses, WEB),
        ...entries(holder.addresses, INGRESS),
        ...entries(hosts, RESERVED_IDENTITIES.host),
        ...entries(OUTSIDE, RESERVED_IDENTITIES['world-ipv4']),
      ],
      removed: [],
    });
    datapath.ingress.attach(cgroup.folder);
  });
  after(() => cleanUp.dispose());
  beforeEach(async () => {
    await datapath.verdicts.set([{ subject: INGRESS, ingress: OPEN, egress: OPEN }]);
    datapath.ingress.setClient({ identity: INGRESS, addresses: holder.addresses, needsAddress: true });
  });

  const open = async (to: string, { mark = MARK, port = 80 } = {}): Promise<string> => {
    const { stdout } = await promisify(execFile)('sh', ['-c', cgroup.within(`exec ${client} ${mark} ${to} ${port}`)]);
    return stdout.trim();
  };

  const martians = () =>
    datapath.counters().find(({ outcome, direction }) => outcome === 'dropped-martian' && direction === 'egress')?.packets ?? 0n;

  for (const family of FAMILIES) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    test(`has the ingress address, and nothing else has, ${version}`, async () => {
      assert.equal(await open(web.addresses[family]), holder.addresses[family]);
      assert.equal(await open(OUTSIDE[family]), holder.addresses[family]);
      for (const mark of ['0', 'b00', 'c00', 'e00', 'f00'])
        assert.notEqual(await open(web.addresses[family], { mark }), holder.addresses[family]);
    });

    test(`goes to no pod without one where it needs one, and anywhere else, ${version}`, async () => {
      datapath.ingress.setClient({ addresses: [holder.addresses[1 - family] ?? ''], needsAddress: true });
      assert.equal(await open(web.addresses[family]), 'EPERM');
      assert.equal(await open(web.addresses[1 - family] ?? ''), holder.addresses[1 - family]);
      assert.notEqual(await open(web.addresses[family], { mark: '0' }), 'EPERM');
      for (const to of [OUTSIDE[family], NODE_ADDRESSES[family]]) assert.notEqual(await open(to), 'EPERM');
      datapath.ingress.setClient({ addresses: [], needsAddress: false });
      assert.notEqual(await open(web.addresses[family]), 'EPERM');
    });

    test(`goes where the policy of whom it is says, and not where rules of layer 7 decide, ${version}`, async () => {
      const ask = async () => [
        await open(web.addresses[family]),
        await open(web.addresses[family], { port: 81 }),
        await open(OUTSIDE[family]),
      ];
      await datapath.verdicts.set([{ subject: INGRESS, ingress: OPEN, egress: closedBut(allow(WEB, 80)) }]);
      assert.deepEqual(await ask(), [holder.addresses[family], 'EPERM', 'EPERM']);
      await datapath.verdicts.set([{ subject: INGRESS, ingress: OPEN, egress: closedBut(verdict('slot', WEB)) }]);
      assert.deepEqual(await ask(), ['EPERM', 'EPERM', 'EPERM']);
      await datapath.verdicts.set([{ subject: INGRESS, ingress: CLOSED, egress: OPEN }]);
      assert.deepEqual(await ask(), Array(3).fill(holder.addresses[family]));
    });

    test(`goes nowhere that is the node's own loopback, whatever policy says, ${version}`, async () => {
      const judge = () => datapath.ingress.judge(LOOPBACK[family].map((address) => ({ address, port: 80 })));
      for (const client of [
        { identity: INGRESS, addresses: holder.addresses, needsAddress: true },
        { addresses: holder.addresses, needsAddress: true },
        { addresses: [], needsAddress: false },
      ]) {
        datapath.ingress.setClient(client);
        for (const to of [...LOOPBACK[family], ...UNSPECIFIED[family]]) {
          const counted = martians();
          assert.equal(await open(to), 'EPERM', to);
          assert.equal(martians(), counted + 1n);
          assert.notEqual(await open(to, { mark: '0' }), 'EPERM', to);
        }
        assert.deepEqual(
          judge(),
          LOOPBACK[family].map(() => undefined),
        );
      }
    });
  }

  test('is told of as it was written', () => {
    const client = { identity: INGRESS, addresses: holder.addresses, needsAddress: true };
    assert.deepEqual(datapath.ingress.client(), client);
    datapath.ingress.setClient({ addresses: [], needsAddress: false });
    assert.deepEqual(datapath.ingress.client(), { addresses: [], needsAddress: false });
    assert.throws(() => datapath.ingress.setClient({ addresses: ['nobody'], needsAddress: false }), { code: 'invalid-address' });
  });

  test('stays as it is while processes come and go, until all is cleaned up', async () => {
    datapath[Symbol.dispose]();
    assert.equal(await open(web.addresses[0]), holder.addresses[0]);
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    datapath.ingress.attach(cgroup.folder);
    assert.equal(await open(web.addresses[0]), holder.addresses[0]);
    assert.equal(readdirSync(PINS).filter((name) => name.startsWith('ingress_links_')).length, 1);
    datapath.cleanUp();
    assert.equal(existsSync(PINS), false);
    // The kernel lets go of a program some time after its last pin.
    await eventually(async () => assert.notEqual(await open(web.addresses[0]), holder.addresses[0]));
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  });

  test('says nothing more to loopback by what was open before anything was judged', async () => {
    const server = createServer((socket) => socket.pipe(socket).on('error', () => {})).listen(PORT, '127.0.0.1');
    using _closing = { [Symbol.dispose]: () => void server.close() };
    await once(server, 'listening');
    const { talker, said } = await MarkedTalker.open(talkerProgram, { cgroup }, '127.0.0.1', PORT);
    await using _ended = talker;
    assert.equal(said, '127.0.0.1');
    assert.equal(await talker.ask('hello'), 'hello');
    datapath.ingress.attach(cgroup.folder);
    assert.equal(await talker.ask('hello'), 'timeout');
  });
});

function entries(addresses: readonly string[], identity: number) {
  return addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity }));
}
