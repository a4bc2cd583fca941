import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type DirectionPolicy, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { Datapath } from './index.ts';
import { allow, CLIENT, CLOSED, closedBut, OPEN, SMALL, WEB } from './testing/judged.ts';
import { compileTalker, MarkedTalker } from './testing/marked-talker.ts';
import { NODE_ADDRESSES, PodNetwork, type TestPod } from './testing/pod-network.ts';
import { INGRESS_SLOT, OTHER_INGRESS_SLOT, slotName, steered } from './testing/steered-world.ts';
import type { ProxySlot } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const INGRESS = RESERVED_IDENTITIES.ingress;
/** Of Ingresses. */
const PORT = 8080;
/** Of somebody else on the node. */
const OTHER_PORT = 9090;
const LOOPBACK = ['127.0.0.1', '::1'] as const;
/** Of both families. */
const ANYWHERE = '::';
const SLOTS = [INGRESS_SLOT, OTHER_INGRESS_SLOT] as const;
const OWN = 'e00';
const markOf = ({ port }: { readonly port: number }) => ((port << 16) | 0xe00).toString(16);
const BY_SLOT = steered(INGRESS_SLOT, WEB, PORT);
const BY_ANOTHER = steered(OTHER_INGRESS_SLOT, WEB, PORT);
const DIRECTLY = closedBut(allow(WEB, PORT));

describe('what comes to Ingresses', needs('root', 'bpf', 'netns', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let datapath: Datapath;
  let cgroup: Cgroup;
  let web: TestPod;
  let other: TestPod;
  let talker: string;
  let listener: string;
  before(async () => {
    const folder = cleanUp.use(new TemporaryFolder());
    const network = cleanUp.use(new PodNetwork());
    cgroup = cleanUp.use(new Cgroup());
    [talker, listener] = [folder.join('talker'), folder.join('listener')];
    compileTalker(talker);
    execFileSync('clang', ['-o', listener, fileURLToPath(new URL('testing/marked-listener.c', import.meta.url))], { stdio: 'inherit' });
    [web, other] = [await network.addPod('web', 1), await network.addPod('other', 2)];
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    cleanUp.defer(() => datapath.cleanUp());
    await datapath.addresses.apply({
      set: [...entries(web, WEB), ...entries(other, CLIENT), ...NODE_ADDRESSES.map((address) => entry(address, RESERVED_IDENTITIES.host))],
    });
    // Some listen before there are programs, and some after.
    await listen(OWN, ANYWHERE, PORT);
    await listen(markOf(INGRESS_SLOT), LOOPBACK[0], INGRESS_SLOT.port);
    datapath.ingress.attach(cgroup.folder);
    await listen(markOf(INGRESS_SLOT), LOOPBACK[1], INGRESS_SLOT.port);
    for (const address of LOOPBACK) await listen(markOf(OTHER_INGRESS_SLOT), address, OTHER_INGRESS_SLOT.port);
    await listen('0', ANYWHERE, OTHER_PORT);
  });
  after(() => cleanUp.disposeAsync());
  beforeEach(async () => {
    datapath.ingress.setClient({ identity: INGRESS, addresses: [], needsAddress: false });
    await setRedirects(...SLOTS);
    await setIngress(OPEN);
  });

  const setIngress = (ingress: DirectionPolicy) => datapath.verdicts.set([{ subject: INGRESS, ingress, egress: OPEN }]);
  const setRedirects = (...slots: readonly (ProxySlot & { readonly ready?: boolean })[]) =>
    datapath.redirects.set(slots.map(({ ready = true, ...slot }) => ({ slot: slotName(slot), port: slot.port, ready })));

  async function listen(mark: string, address: string, port: number): Promise<void> {
    const script = cgroup.within(`exec setpriv --pdeathsig KILL ${listener} ${mark} ${address} ${port}`);
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const end = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    };
    cleanUp.defer(end);
    await once(createInterface({ input: child.stdout }), 'line');
  }

  async function connect(from: TestPod, family: 0 | 1, port = PORT) {
    const { talker: opened, said } = await MarkedTalker.open(talker, { enter: from.enter, mark: '0' }, NODE_ADDRESSES[family], port);
    return { said, ask: () => opened.ask('who'), [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  }

  /** The mark of the listener that answers, or why none does. */
  async function answerer(from: TestPod, family: 0 | 1, port = PORT): Promise<string> {
    await using connection = await connect(from, family, port);
    return connection.said === from.addresses[family] ? await connection.ask() : connection.said;
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';

    test(`is served by the listener of its slot, at the port that it asked for, ${version}`, async () => {
      assert.equal(await answerer(web, family), `${OWN} at ${PORT}`);
      for (const slot of SLOTS) {
        await setIngress(steered(slot, WEB, PORT));
        assert.equal(await answerer(web, family), `${markOf(slot)} at ${PORT}`);
        assert.equal(await answerer(other, family), 'timeout');
      }
      await setIngress(closedBut(...BY_SLOT.verdicts, allow(CLIENT, PORT)));
      assert.equal(await answerer(other, family), `${OWN} at ${PORT}`);
      assert.equal(await answerer(web, family), `${markOf(INGRESS_SLOT)} at ${PORT}`);
    });

    test(`is served by nobody where the slot is not ready or has no listener, ${version}`, async () => {
      await setIngress(BY_SLOT);
      await setRedirects({ ...INGRESS_SLOT, ready: false });
      assert.equal(await answerer(web, family), 'timeout');
      const late = { direction: 'ingress', port: 10_009 + family } as const;
      await setRedirects(late);
      await setIngress(steered(late, WEB, PORT));
      assert.equal(await answerer(web, family), 'timeout');
      await listen(markOf(late), LOOPBACK[family], late.port);
      assert.equal(await answerer(web, family), `${markOf(late)} at ${PORT}`);
    });

    test(`is known by who asks as by the programs, ${version}`, async () => {
      const address = web.addresses[family];
      const clients = [address, family === 0 ? `::ffff:${address}` : address, NODE_ADDRESSES[family], LOOPBACK[family]];
      const judge = () => datapath.ingress.judgeClients(clients.map((each) => ({ address: each, port: PORT })));
      for (const [ingress, slot] of [
        [OPEN, 0],
        [DIRECTLY, 0],
        [BY_SLOT, INGRESS_SLOT.port],
        [CLOSED, undefined],
      ] as const) {
        await setIngress(ingress);
        assert.deepEqual(judge(), [slot, slot, 'own-node', 'own-node']);
      }
    });

    test(`leaves alone what is not for Ingresses, ${version}`, async () => {
      await setIngress(steered(INGRESS_SLOT, WEB, OTHER_PORT));
      assert.equal(await answerer(web, family, OTHER_PORT), `0 at ${OTHER_PORT}`);
      assert.equal(await answerer(web, family), 'timeout');
    });

    for (const [what, first, second] of [
      ['a slot begins', DIRECTLY, BY_SLOT],
      ['another slot begins', BY_SLOT, BY_ANOTHER],
      ['the slot ends', BY_SLOT, DIRECTLY],
      ['nothing is allowed any more', BY_SLOT, CLOSED],
    ] as const) {
      test(`is heard no more where it was open before: ${what}, ${version}`, async () => {
        await setIngress(first);
        await using connection = await connect(web, family);
        assert.match(await connection.ask(), / at /);
        await setIngress(second);
        assert.equal(await connection.ask(), 'timeout');
      });
    }
  }

  test('is as it was without the programs once all is cleaned up', async () => {
    await setIngress(CLOSED);
    assert.equal(await answerer(web, 0), 'timeout');
    assert.ok(existsSync(`${PINS}/ingress_lookup`));
    datapath.cleanUp();
    assert.equal(existsSync(PINS), false);
    assert.equal(await answerer(web, 0), `${OWN} at ${PORT}`);
  });
});

function entry(address: string, identity: number) {
  return { prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity };
}

function entries({ addresses }: TestPod, identity: number) {
  return addresses.map((address) => entry(address, identity));
}
