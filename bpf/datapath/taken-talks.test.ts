import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { TcpSockets } from '../../agent/netlink/index.ts';
import { ledSlotOf, OPENED_FOR_PODS } from '../../agent/network/index.ts';
import { IP_PROTOCOLS, RESERVED_IDENTITIES, UPSTREAM_PORTS } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import type { FlowEvent, FlowEvents } from './index.ts';
import { allow, CLIENT, CLOSED, closedBut, LOOPBACK, WEB } from './testing/judged.ts';
import { compileTalker, MarkedTalker } from './testing/marked-talker.ts';
import { packet, TCP, tcp } from './testing/packets.ts';
import { NODE_ADDRESSES, sh } from './testing/pod-network.ts';
import {
  EGRESS_SLOT,
  INGRESS_SLOT,
  OTHER_EGRESS_SLOT,
  SteeredWorld,
  steered,
  WEB_PORT,
  type WorldPolicies,
} from './testing/steered-world.ts';
import { type ProxyService, portsOf, type TransparentProxy } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const FRONTENDS = ['10.96.0.7', 'fd00:96::7'] as const;
const PORT = 80;
const LISTENER = 10_010;
/** The same to a machine outside, and to the node itself. */
const [TO_OUTSIDE, TO_NODE] = [10_011, 10_012];
const MARK = `${LISTENER.toString(16)}0d02`;
/** As in `bpf/programs/proxy.h`. */
const SEALED = '736c0d00';
const OF_PROXY = { mark: 0x800, mask: 0x800 };
const FOR_NODE = { mark: 0x100, mask: 0xf00 };
const LARGE = 1_000_000;
const PATIENCE_MS = 700;
const BY_SLOT = steered(EGRESS_SLOT, WEB);
const DIRECTLY = closedBut(allow(WEB, WEB_PORT));

describe('a Service that a listener takes', needs('root', 'bpf', 'netns', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: SteeredWorld;
  let cgroup: Cgroup;
  let listeners: TransparentProxy;
  let program: string;
  const takenBy = (port: number, ready = true) => ({ frontends: FRONTENDS.map((address) => ({ address, port: PORT })), port, ready });
  const services = (): readonly ProxyService[] => [
    { port: LISTENER, backend: { addresses: world.pods.web.addresses, port: WEB_PORT } },
    { port: TO_OUTSIDE, backend: { addresses: world.pods.outside.addresses, port: WEB_PORT } },
    { port: TO_NODE, backend: { addresses: NODE_ADDRESSES, port: WEB_PORT } },
  ];
  before(async () => {
    world = cleanUp.use(await SteeredWorld.open());
    cgroup = cleanUp.use(new Cgroup());
    program = cleanUp.use(new TemporaryFolder()).join('marked-talker');
    compileTalker(program);
    cleanUp.defer(() => listeners?.kill());
    listeners = await world.startServices(services(), cgroup);
    world.datapath.ingress.attach(cgroup.folder);
    await world.datapath.taken.set([takenBy(LISTENER)]);
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    // What the last one left unsaid would be said to the next one's server, once that is allowed again.
    using sockets = TcpSockets.open();
    sockets.destroyAll(OF_PROXY);
    await world.setPolicies({});
    await world.datapath.askedCopies.set(new Map());
    await world.datapath.taken.set([takenBy(LISTENER)]);
  });

  let names = 0;
  /** A pod's connection to the Service, which the listener takes at once whoever is behind it. */
  async function connect(family: 0 | 1, from: 'client' | 'web' = 'client', patienceMs = PATIENCE_MS) {
    const peer = world.peers[from];
    names += 1;
    const name = `talk ${names}`;
    const said = await peer.connect(name, FRONTENDS[family], PORT, { patienceMs });
    return {
      said,
      ask: (line: string) => peer.ask(name, line, PATIENCE_MS),
      ended: () => peer.ended(name),
      finish: () => peer.finish(name),
      [Symbol.asyncDispose]: () => peer.close(name),
    };
  }

  /** The ports of slots that a conversation went through. */
  async function slotsOf(talk: () => Promise<void>): Promise<readonly number[]> {
    const { length } = await world.proxy.connections();
    await talk();
    return portsOf((await world.proxy.connections()).slice(length));
  }

  for (const family of [0, 1] as const) {
    const version = family === 0 ? 'IPv4' : 'IPv6';
    const webOf = () => world.pods.web.addresses[family];
    const clientOf = () => world.pods.client.addresses[family];
    const talk = async () => {
      await using connection = await connect(family);
      assert.equal(connection.said, 'connected');
      assert.equal((await connection.ask('who')).split(' ')[0], clientOf());
    };
    const opening = () => ({ source: clientOf(), destination: webOf(), port: WEB_PORT });

    test(`is asked, and asks its backend, with the client's address, ${version}`, async () => {
      const { length } = await listeners.connections();
      const { connections } = await world.peers.web.served();
      await using connection = await connect(family);
      assert.equal(connection.said, 'connected');
      const [address, port] = (await connection.ask('who')).split(' ');
      assert.equal(address, clientOf());
      assert.ok(Number(port) >= UPSTREAM_PORTS.services.first && Number(port) <= UPSTREAM_PORTS.services.last);
      assert.equal((await connection.ask(`send ${LARGE}`)).length, LARGE);
      assert.equal((await connection.ask('y'.repeat(LARGE))).length, LARGE);
      assert.equal(await connection.finish(), 'bye');
      const [told = '', ...others] = (await listeners.connections()).slice(length);
      assert.match(told, new RegExp(`^${LISTENER} ${clientOf()}/\\d+ ${FRONTENDS[family]}/${PORT}$`));
      assert.deepEqual(others, []);
      assert.equal((await world.peers.web.served()).connections, connections + 1);
    });

    const reached: readonly (readonly [what: string, policies: WorldPolicies, slots: readonly number[]])[] = [
      ['where both policies allow it', { client: DIRECTLY, web: closedBut(allow(CLIENT, WEB_PORT)) }, []],
      ["by way of the client's slot", { client: BY_SLOT }, [EGRESS_SLOT.port]],
      ["by way of the backend's slot", { web: steered(INGRESS_SLOT, CLIENT) }, [INGRESS_SLOT.port]],
      ['by way of both', { client: BY_SLOT, web: steered(INGRESS_SLOT, CLIENT) }, [EGRESS_SLOT.port, INGRESS_SLOT.port]],
    ];
    for (const [what, policies, slots] of reached) {
      test(`reaches its backend ${what}, ${version}`, async () => {
        await world.setPolicies(policies);
        assert.deepEqual(await slotsOf(talk), slots);
        assert.deepEqual(world.datapath.judgeOpenedForPods([opening()]), [slots.includes(EGRESS_SLOT.port) ? EGRESS_SLOT.port : 0]);
      });
    }

    for (const [what, asked, slots] of [
      ['reaches its backend directly where its listener has asked the rules of the slot', EGRESS_SLOT.port, []],
      ['goes by way of the slot where its listener has asked those of another', OTHER_EGRESS_SLOT.port, [EGRESS_SLOT.port]],
    ] as const) {
      test(`${what}, ${version}`, async () => {
        await world.datapath.askedCopies.set(new Map([[LISTENER, asked]]));
        await world.setPolicies({ client: BY_SLOT });
        assert.deepEqual(await slotsOf(talk), slots);
        await using connection = await connect(family);
        assert.equal(await connection.ask('hello'), 'hello');
        await world.setPolicies({ client: steered(OTHER_EGRESS_SLOT, WEB) });
        const { bytes } = await world.peers.web.served();
        assert.equal(await connection.ask('by rules that hold no more'), 'timeout');
        assert.equal((await world.peers.web.served()).bytes, bytes);
      });
    }

    test(`is judged all the same where its listener has asked, ${version}`, async () => {
      await world.datapath.askedCopies.set(new Map([[LISTENER, EGRESS_SLOT.port]]));
      await world.setPolicies({ client: CLOSED });
      await using connection = await connect(family);
      assert.match(`${connection.said} ${await connection.ask('hello')}`, /ECONNRESET/);
      await world.setPolicies({ client: BY_SLOT });
      assert.deepEqual(await slotsOf(talk), []);
      await world.datapath.askedCopies.set(new Map());
      assert.deepEqual(await slotsOf(talk), [EGRESS_SLOT.port]);
    });

    test(`opens nothing of its own by a cluster that marks nothing but that it begins TLS, ${version}`, async () => {
      await world.setPolicies({ client: CLOSED });
      const open = async (mark: string, source?: string) => {
        const place = { cgroup, mark, ...(source !== undefined && { source }) };
        const { talker, said } = await MarkedTalker.open(program, place, webOf(), WEB_PORT);
        await talker[Symbol.asyncDispose]();
        return said;
      };
      assert.equal(await open(`${MARK}/${SEALED}`, clientOf()), 'EPERM');
      assert.equal(await open(`0/${SEALED}`, clientOf()), 'EPERM');
      assert.equal(await open(`0/${SEALED}`, world.pods.outside.addresses[family]), 'EPERM');
      await world.setPolicies({});
      for (const mark of [`${MARK}/${SEALED}`, `0/${SEALED}`]) assert.notEqual(await open(mark, clientOf()), 'EPERM', mark);
    });

    test(`reaches nobody whom the client may not, who is told of, ${version}`, async () => {
      const flows = world.datapath.flows();
      const next = flows.next();
      for (const [egress, reason] of [
        [CLOSED, 'dropped-not-allowed'],
        [closedBut(allow(WEB, PORT)), 'dropped-not-allowed'],
        [closedBut(allow(RESERVED_IDENTITIES.ingress)), 'dropped-not-allowed'],
        [steered({ direction: 'egress', port: 10_020 }, WEB), 'dropped-slot'],
      ] as const) {
        await world.setPolicies({ client: egress });
        const [opened, counted] = [world.opened(), world.counted(reason)];
        await using connection = await connect(family);
        assert.match(`${connection.said} ${await connection.ask('hello')}`, /ECONNRESET/);
        assert.equal(world.opened(), opened);
        assert.equal(world.counted(reason), counted + 1n);
        assert.deepEqual(world.datapath.judgeOpenedForPods([opening()]), [undefined]);
      }
      const dropped = await firstDrop(next, flows, webOf());
      assert.deepEqual(
        [dropped.subject, dropped.peer, dropped.direction, dropped.localAddress, dropped.remotePort, dropped.ifindex],
        [CLIENT, WEB, 'egress', clientOf(), WEB_PORT, world.pods.client.ifindex],
      );
    });

    test(`reaches nobody who does not let the client in, ${version}`, async () => {
      await world.setPolicies({ web: CLOSED });
      const before = world.opened();
      await using connection = await connect(family);
      assert.notEqual(await connection.ask('hello'), 'hello');
      assert.equal(world.opened(), before);
    });

    test(`reaches in audit mode whom the client may not, ${version}`, async () => {
      const { verdicts } = world.datapath;
      await verdicts.set([{ subject: CLIENT, ingress: CLOSED, egress: CLOSED, audits: true }]);
      await talk();
      assert.deepEqual(world.datapath.judgeOpenedForPods([opening()]), [0]);
    });

    for (const [what, before, after] of [
      ['a slot begins', DIRECTLY, BY_SLOT],
      ['another slot begins', BY_SLOT, steered(OTHER_EGRESS_SLOT, WEB)],
      ['the slot ends', BY_SLOT, DIRECTLY],
      ['nothing is allowed any more', BY_SLOT, CLOSED],
      ['the backend is not allowed any more', DIRECTLY, CLOSED],
    ] as const) {
      test(`says nothing more by what was open before: ${what}, ${version}`, async () => {
        await world.setPolicies({ client: before });
        await using connection = await connect(family);
        assert.equal(await connection.ask('hello'), 'hello');
        await world.setPolicies({ client: after });
        const { bytes } = await world.peers.web.served();
        assert.equal(await connection.ask('once more'), 'timeout');
        assert.equal((await world.peers.web.served()).bytes, bytes);
        using sockets = TcpSockets.open();
        assert.equal(sockets.destroyAll(OPENED_FOR_PODS), 1);
        assert.match(await connection.ended(), /end|ECONNRESET/);
        assert.notEqual(await connection.ask('again'), 'again');
      });
    }

    test(`tells its backend of its end, where it may say nothing else, ${version}`, async () => {
      const { enter } = world.pods.web;
      const heldByWeb = () => sh(`${enter.join(' ')} ss -Htn state established 'dst [${clientOf()}]'`).trim();
      await using connection = await connect(family);
      assert.equal(await connection.ask('hello'), 'hello');
      assert.notEqual(heldByWeb(), '');
      await world.setPolicies({ client: BY_SLOT });
      using sockets = TcpSockets.open();
      assert.equal(sockets.destroyAll(OPENED_FOR_PODS), 1);
      await eventually(() => assert.equal(heldByWeb(), ''));
    });

    test(`is answered by its backend, or by the slot's listener and nobody else, ${version}`, async () => {
      const { datapath, pods } = world;
      for (const [egress, byBackend, bySlot] of [
        [DIRECTLY, true, false],
        [BY_SLOT, false, true],
      ] as const) {
        await world.setPolicies({ client: egress });
        await using connection = await connect(family);
        assert.equal(await connection.ask('hello'), 'hello');
        using sockets = TcpSockets.open();
        const opened = sockets.list(OPENED_FOR_PODS).find(({ mark }) => ledSlotOf(mark) === (bySlot ? EGRESS_SLOT.port : 0));
        assert.ok(opened);
        const segment = tcp(WEB_PORT, opened.sourcePort, TCP.ACK);
        const bytes = packet({ from: webOf(), to: clientOf(), protocol: IP_PROTOCOLS.TCP }, segment);
        const isForOpener = async (name: 'from_pod' | 'to_pod', identity: number, addresses: readonly string[], mark: number) => {
          await datapath.endpoints.set(LOOPBACK, { identity, addresses });
          const { mark: left } = datapath.testRun(name, bytes, mark);
          await datapath.endpoints.remove(LOOPBACK);
          return left >>> 0 === (name === 'from_pod' ? 0x301 : 0x300);
        };
        assert.equal(await isForOpener('from_pod', WEB, pods.web.addresses, 0), byBackend);
        for (const mark of [0, 0xf00, 0x2711_0a00, 0x2711_0b00])
          assert.equal(await isForOpener('to_pod', CLIENT, pods.client.addresses, mark), byBackend, mark.toString(16));
        assert.equal(await isForOpener('to_pod', CLIENT, pods.client.addresses, 0x2711_0900), bySlot);
      }
    });

    test(`hears nothing more of whom the client may not reach any more, ${version}`, async () => {
      const { bytes } = await world.peers.web.served();
      await using connection = await connect(family);
      const answer = connection.ask('wait');
      await eventually(async () => assert.ok((await world.peers.web.served()).bytes > bytes));
      await world.setPolicies({ client: CLOSED });
      assert.equal(await answer, 'timeout');
    });

    test(`goes on with the listener that has it, where its Service is not taken any more, ${version}`, async () => {
      await using connection = await connect(family);
      assert.equal(await connection.ask('before'), 'before');
      for (const taken of [[], [takenBy(LISTENER, false)], [takenBy(TO_OUTSIDE)]]) {
        await world.datapath.taken.set(taken);
        assert.equal(await connection.ask('after'), 'after');
      }
      await world.datapath.taken.set([]);
      const { length } = await listeners.connections();
      await using another = await connect(family);
      assert.notEqual(another.said, 'connected', 'nothing is at the address');
      assert.equal((await listeners.connections()).length, length);
    });

    test(`reaches nobody while its listener is not there, ${version}`, async () => {
      const before = world.opened();
      await world.datapath.taken.set([takenBy(LISTENER, false)]);
      const [listener, proxy] = [world.counted('dropped-listener'), world.counted('dropped-no-proxy')];
      assert.equal((await connect(family)).said, 'timeout');
      assert.ok(world.counted('dropped-listener') > listener);
      await world.datapath.taken.set([takenBy(10_020)]);
      assert.equal((await connect(family)).said, 'timeout');
      assert.ok(world.counted('dropped-no-proxy') > proxy);
      await world.datapath.taken.set([takenBy(LISTENER)]);
      world.datapath.detachSteering();
      assert.equal((await connect(family)).said, 'timeout');
      world.datapath.attachSteering(world.steeringDevice, world.steeringEntry);
      assert.equal(world.opened(), before);
      await talk();
    });

    test(`ends when its listener ends, ${version}`, async () => {
      await using connection = await connect(family);
      assert.equal(await connection.ask('before'), 'before');
      await listeners.kill();
      assert.match(await connection.ended(), /^(end|ECONNRESET)$/);
      listeners = await world.startServices(services(), cgroup);
      await talk();
    });

    test(`may be asked by its own backend, ${version}`, async () => {
      await world.setPolicies({ web: CLOSED });
      await using connection = await connect(family, 'web');
      assert.equal(connection.said, 'connected');
      const [address = ''] = (await connection.ask('who')).split(' ');
      assert.notEqual(address, webOf(), 'a pod takes nothing that seems to come from itself');
      assert.equal(await connection.ask('hello'), 'hello');
    });

    test(`may have its backend outside, and on the node, ${version}`, async () => {
      const world0 = RESERVED_IDENTITIES[family === 0 ? 'world-ipv4' : 'world-ipv6'];
      for (const [port, identity] of [
        [TO_OUTSIDE, world0],
        [TO_NODE, RESERVED_IDENTITIES.host],
      ] as const) {
        await world.datapath.taken.set([takenBy(port)]);
        await world.setPolicies({ client: closedBut(allow(identity, WEB_PORT)) });
        await talk();
        await world.setPolicies({ client: DIRECTLY });
        await using connection = await connect(family);
        assert.match(`${connection.said} ${await connection.ask('hello')}`, /ECONNRESET/);
      }
    });

    test(`opens nothing with an address that is no pod's of the node, ${version}`, async () => {
      const said = async (source?: string) => {
        const { talker, said: outcome } = await MarkedTalker.open(
          program,
          { cgroup, mark: MARK, ...(source !== undefined && { source }) },
          webOf(),
          WEB_PORT,
        );
        await talker[Symbol.asyncDispose]();
        return outcome;
      };
      assert.notEqual(await said(clientOf()), 'EPERM');
      const counted = world.counted('dropped-spoofed');
      for (const source of [undefined, world.pods.outside.addresses[family], FRONTENDS[family]])
        assert.equal(await said(source), 'EPERM', source);
      assert.equal(world.counted('dropped-spoofed'), counted + 3n);
      const { ifindex, addresses } = world.pods.client;
      await world.datapath.endpoints.remove(ifindex);
      assert.equal(await said(clientOf()), 'EPERM', 'the pod is gone');
      await world.datapath.endpoints.set(ifindex, { identity: CLIENT, addresses });
    });

    test(`opens nothing to what is the node's alone, ${version}`, async () => {
      const counted = world.counted('dropped-martian');
      const own = family === 0 ? ['127.0.0.1', '127.1.2.3', '0.0.0.0'] : ['::1', '::', '::ffff:127.0.0.1'];
      for (const to of own) {
        for (const addresses of [world.pods.client.addresses, NODE_ADDRESSES]) {
          const source = to.includes('.') && family === 1 ? `::ffff:${addresses[0]}` : addresses[family];
          const { talker, said } = await MarkedTalker.open(program, { cgroup, mark: MARK, source }, to, WEB_PORT);
          await talker[Symbol.asyncDispose]();
          assert.equal(said, 'EPERM', `${source} to ${to}`);
        }
      }
      assert.equal(world.counted('dropped-martian'), counted + BigInt(2 * own.length));
    });

    test(`opens as the client what has his address, where only its cluster has marked it, ${version}`, async () => {
      const mark = MARK.replace(/2$/, '0');
      const open = async (source: string) => await MarkedTalker.open(program, { cgroup, mark, source }, webOf(), WEB_PORT);
      const allowed = await open(clientOf());
      await allowed.talker[Symbol.asyncDispose]();
      assert.notEqual(allowed.said, 'EPERM');
      await world.setPolicies({ client: CLOSED });
      const refused = await open(clientOf());
      await refused.talker[Symbol.asyncDispose]();
      assert.equal(refused.said, 'EPERM');
    });

    test(`opens as any process of the node what has the node's address, ${version}`, async () => {
      await world.setPolicies({ client: CLOSED, web: CLOSED });
      for (const mark of [MARK, MARK.replace(/2$/, '0')]) {
        const { talker, said } = await MarkedTalker.open(program, { cgroup, mark, source: NODE_ADDRESSES[family] }, webOf(), WEB_PORT);
        await using _ended = talker;
        const source = ['169.254.1.1', NODE_ADDRESSES[1]][family];
        assert.deepEqual([said, (await talker.ask('who')).split(' ')[0]], [source, source], 'that which the way there has');
        using sockets = TcpSockets.open();
        assert.equal(sockets.list(FOR_NODE).length, 1);
      }
    });

    test(`says nothing more by what it opened for a pod whose address is the node's by now, ${version}`, async () => {
      const open = async () => await MarkedTalker.open(program, { cgroup, mark: MARK, source: clientOf() }, webOf(), WEB_PORT);
      const { talker } = await open();
      await using _ended = talker;
      assert.equal(await talker.ask('hello'), 'hello');
      const { addresses, endpoints } = world.datapath;
      const { ifindex, addresses: own } = world.pods.client;
      const prefix = `${clientOf()}/${family === 0 ? 32 : 128}`;
      await using restored = new AsyncDisposableStack();
      restored.defer(async () => {
        await addresses.apply({ set: [{ prefix, identity: CLIENT }] });
        await endpoints.set(ifindex, { identity: CLIENT, addresses: own });
      });
      await addresses.apply({ set: [{ prefix, identity: RESERVED_IDENTITIES.host }] });
      await endpoints.remove(ifindex);
      const [{ bytes }, counted] = [await world.peers.web.served(), world.counted('dropped-spoofed')];
      const next = await open();
      await next.talker[Symbol.asyncDispose]();
      assert.notEqual(next.said, clientOf(), 'what is opened now is the node’s');
      assert.notEqual(await talker.ask('once more'), 'once more');
      assert.equal((await world.peers.web.served()).bytes, bytes);
      assert.ok(world.counted('dropped-spoofed') > counted);
    });

    test(`gives a pod nothing by its own marks, ${version}`, async () => {
      const { enter } = world.pods.client;
      await world.setPolicies({ client: CLOSED });
      for (const mark of [MARK, MARK.replace(/2$/, '3')]) {
        for (const source of [undefined, clientOf()]) {
          const before = world.opened();
          const place = { cgroup, enter, mark, ...(source !== undefined && { source }) };
          const { talker, said } = await MarkedTalker.open(program, place, webOf(), WEB_PORT);
          await talker[Symbol.asyncDispose]();
          assert.equal(said, 'EPERM');
          assert.equal(world.opened(), before);
        }
        using _marks = world.markPackets(world.pods.client, Number.parseInt(mark, 16));
        assert.equal(await world.peers.client.connect('forged', webOf(), WEB_PORT, { patienceMs: PATIENCE_MS }), 'timeout');
      }
    });

    test(`leaves datagrams alone, and other ports, ${version}`, async () => {
      const { length } = await listeners.connections();
      sh(`${world.pods.client.enter.join(' ')} bash -c 'echo word > /dev/udp/${FRONTENDS[family]}/${PORT}' || true`);
      assert.notEqual(
        await world.peers.client.connect('another port', FRONTENDS[family], PORT + 1, { patienceMs: PATIENCE_MS }),
        'connected',
      );
      assert.equal((await listeners.connections()).length, length);
    });
  }
});

/** Of what was to go to an address, and is not allowed. */
async function firstDrop(next: Promise<IteratorResult<FlowEvent>>, flows: FlowEvents, to: string): Promise<FlowEvent> {
  for (let result = await next; !result.done; result = await flows.next()) {
    const { kind, outcome, remoteAddress } = result.value;
    if (kind !== 'dropped' || outcome !== 'dropped-not-allowed' || remoteAddress !== to) continue;
    await flows.return();
    return result.value;
  }
  throw new Error('nothing more is told of');
}
