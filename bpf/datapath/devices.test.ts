import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { listFilters, ObjectSpec } from 'libbpf-ts';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { cleanUpDatapath, Datapath, DatapathError } from './index.ts';
import { allow, CLIENT, CLOSED, closedBut, LOOPBACK, OPEN, SMALL, WEB } from './testing/judged.ts';
import { NODE_ADDRESSES, PodNetwork, sh, type TestPod } from './testing/pod-network.ts';
import { Talker } from './testing/talker.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';
const OBJECT = new URL('../programs/gen/policy.bpf.o', import.meta.url).pathname;
const PORT = 8080;
const TOLD_WITHIN_MS = 10_000;

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof DatapathError && error.code === code;
}

describe('on devices', needs('root'), () => {
  let network: PodNetwork;
  let web: TestPod;
  let client: TestPod;
  let server: Talker;
  let asker: Talker;
  let datapath: Datapath;

  before(async () => {
    network = new PodNetwork();
    web = await network.addPod('web', 1);
    client = await network.addPod('client', 2);
    server = new Talker(web);
    asker = new Talker(client);
    await server.listen(PORT);
  });
  after(() => {
    for (const part of [server, asker, network]) part?.[Symbol.dispose]();
  });
  beforeEach(async () => {
    datapath = await open();
  });
  afterEach(() => datapath.cleanUp());

  /** With everybody known, all open and all attached. */
  async function open(): Promise<Datapath> {
    const opened = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    const of = (pod: TestPod, identity: number) => [
      { prefix: `${pod.addresses[0]}/32`, identity },
      { prefix: `${pod.addresses[1]}/128`, identity },
    ];
    const host = RESERVED_IDENTITIES.host;
    const node = [
      { prefix: `${NODE_ADDRESSES[0]}/32`, identity: host },
      { prefix: `${NODE_ADDRESSES[1]}/128`, identity: host },
      { prefix: '169.254.1.1/32', identity: host },
    ];
    await opened.addresses.replace([...of(web, WEB), ...of(client, CLIENT), ...node]);
    await opened.verdicts.replace([WEB, CLIENT].map((subject) => ({ subject, ingress: OPEN, egress: OPEN })));
    await opened.endpoints.set(web.ifindex, { identity: WEB, addresses: web.addresses });
    await opened.endpoints.set(client.ifindex, { identity: CLIENT, addresses: client.addresses });
    for (const { ifindex } of [web, client]) opened.attachPod(ifindex);
    return opened;
  }

  test('real connections are what verdicts say', async () => {
    const expectAnswers = async (expected: { readonly tcp: boolean; readonly udp: boolean }) => {
      for (const transport of ['tcp', 'udp'] as const) {
        const method = expected[transport] ? 'hears' : 'hearsNothing';
        for (const address of web.addresses)
          assert.ok(await asker[method](address, PORT, transport), `${method} from ${address} by ${transport}`);
      }
    };
    await expectAnswers({ tcp: true, udp: true });
    for (const [ingress, egress, expected] of [
      [closedBut(allow(CLIENT, PORT)), CLOSED, { tcp: true, udp: false }],
      [CLOSED, OPEN, { tcp: false, udp: false }],
      [closedBut(allow(CLIENT, PORT, 17)), CLOSED, { tcp: false, udp: true }],
    ] as const) {
      await datapath.verdicts.set([{ subject: WEB, ingress, egress }]);
      await expectAnswers(expected);
    }
    await datapath.verdicts.set([
      { subject: CLIENT, ingress: OPEN, egress: CLOSED },
      { subject: WEB, ingress: OPEN, egress: OPEN },
    ]);
    await expectAnswers({ tcp: false, udp: false });
  });

  test('what is opened, closed and dropped is told of', async () => {
    datapath.setMonitor('connections');
    await datapath.verdicts.set([{ subject: WEB, ingress: closedBut(allow(CLIENT, PORT)), egress: CLOSED }]);
    const who = { peer: CLIENT, subject: WEB };
    const untold = new Set<object>([
      { ...who, kind: 'begun', outcome: 'passed-allowed', localPort: PORT },
      { ...who, kind: 'ended', outcome: 'passed-allowed', localPort: PORT },
      { ...who, kind: 'dropped', outcome: 'dropped-not-allowed', localPort: PORT + 1 },
    ]);
    const told: object[] = [];
    const listening = listen();
    assert.ok(await asker.hears(web.addresses[0], PORT));
    assert.ok(await asker.hearsNothing(web.addresses[0], PORT + 1));
    await Promise.race([listening, sleep(TOLD_WITHIN_MS, undefined, { ref: false })]);
    assert.deepEqual([...untold], [], `told: ${JSON.stringify(told)}`);

    // Either end closes when it gets to it, and segments of other tests' connections may come, too.
    async function listen(): Promise<void> {
      for await (const { kind, ifindex, direction, outcome, peer, subject, localPort } of datapath.flows()) {
        if (ifindex !== web.ifindex || direction !== 'ingress') continue;
        const event = { kind, outcome, peer, subject, localPort };
        told.push(event);
        for (const expected of untold) if (isDeepStrictEqual(event, expected)) untold.delete(expected);
        if (untold.size === 0) return;
      }
    }
  });

  test('programs are replaced under traffic, and nothing is harmed', async () => {
    await datapath.verdicts.set([{ subject: WEB, ingress: closedBut(allow(CLIENT, PORT)), egress: CLOSED }]);
    await asker.keepTalking(web.addresses[0], PORT, 20);
    for (let times = 0; times < 3; times += 1) {
      datapath[Symbol.dispose]();
      datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
      const repair = await datapath.verdicts.replace([
        { subject: WEB, ingress: closedBut(allow(CLIENT, PORT)), egress: CLOSED },
        { subject: CLIENT, ingress: OPEN, egress: OPEN },
      ]);
      assert.deepEqual(repair, { foreign: [], missing: [] });
      for (const { ifindex } of [web, client]) datapath.attachPod(ifindex);
    }
    const { streamed, connected, failed } = await asker.stopTalking();
    assert.equal(failed, 0);
    assert.ok(streamed > 20 && connected > 0);
    assert.deepEqual(
      datapath.counters().filter(({ outcome }) => outcome.startsWith('dropped-')),
      [],
    );
  });

  test('tables of another size keep what they had', async () => {
    assert.ok(await asker.hears(web.addresses[0], PORT));
    const [connections, addresses] = [[...datapath.connections()].length, [...datapath.addresses.entries()].length];
    datapath[Symbol.dispose]();
    datapath = await Datapath.open({ pinFolder: PINS, sizes: { ...SMALL, connections: 2048, addresses: 2048 } });
    assert.equal([...datapath.connections()].length, connections);
    assert.equal([...datapath.addresses.entries()].length, addresses);
    assert.deepEqual(new Map(datapath.endpoints.entries()).get(web.ifindex), { identity: WEB, addresses: [...web.addresses] });
  });

  test('another agent is refused, with the same pins or in the same network', async () => {
    await assert.rejects(Datapath.open({ pinFolder: PINS, sizes: SMALL }), codeOf('locked'));
    await assert.rejects(Datapath.open({ pinFolder: `${PINS}-other`, sizes: SMALL }), codeOf('locked'));
    sh(`rm -r ${PINS}-other`);
    assert.ok(await asker.hears(web.addresses[0], PORT));
  });

  test('a device that somebody else decides on is refused, and left as it is', async () => {
    datapath.detach(web.ifindex);
    using spec = ObjectSpec.open(OBJECT);
    using theirs = await spec.load();
    for (const direction of ['ingress', 'egress'] as const) {
      using _filter = theirs.program('from_network').attachToDevice({ ifindex: web.ifindex, direction, priority: 50_000, handle: 9 });
      assert.throws(() => datapath.attachPod(web.ifindex), codeOf('hook-taken'));
      assert.equal(listFilters({ ifindex: web.ifindex, direction }).length, 1);
      assert.equal(listFilters({ ifindex: web.ifindex, direction: direction === 'ingress' ? 'egress' : 'ingress' }).length, 0);
    }
    datapath.attachPod(web.ifindex);
  });

  test('a device with room for one way only is refused, and left as it is', () => {
    datapath.detach(web.ifindex);
    sh('tc qdisc add dev web ingress');
    assert.throws(() => datapath.attachPod(web.ifindex), codeOf('hook-taken'));
    assert.deepEqual(listFilters({ ifindex: web.ifindex, direction: 'ingress' }), []);
    datapath.attachNetwork(web.ifindex);
    datapath.detach(web.ifindex);
    assert.match(sh('tc qdisc show dev web'), /ingress/);
    sh('tc qdisc del dev web ingress');
  });

  test('a device that is not there is refused; one that went is detached all the same', () => {
    assert.throws(() => datapath.attachPod(9_999), codeOf('no-device'));
    assert.throws(() => datapath.attachNetwork(9_999), codeOf('no-device'));
    datapath.detach(9_999);
  });

  test('a folder that is no place for pins is refused', async () => {
    for (const pinFolder of ['/proc/sluice', '/dev/null/sluice', '/tmp/sluice-no-pins']) {
      await assert.rejects(Datapath.open({ pinFolder, sizes: SMALL }), codeOf('no-pins'));
      assert.equal(existsSync(pinFolder), false);
    }
  });

  test('nothing is left of it after cleaning up, also where nobody has it', async () => {
    datapath.attachNetwork(LOOPBACK);
    assert.deepEqual([...datapath.attached().keys()].sort(), [LOOPBACK, web.ifindex, client.ifindex].sort());
    datapath[Symbol.dispose]();
    cleanUpDatapath(PINS);
    assert.equal(existsSync(PINS), false);
    assert.equal(sh('tc qdisc show').includes('clsact'), false);
    assert.ok(await asker.hears(web.addresses[0], PORT));
    datapath = await open();
  });
});
