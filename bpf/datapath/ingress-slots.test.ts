import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { TcpSockets } from '../../agent/netlink/index.ts';
import { type DirectionPolicy, IP_PROTOCOLS, RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { allow, CLOSED, closedBut, LOOPBACK, OPEN, WEB } from './testing/judged.ts';
import { compileTalker, MarkedTalker } from './testing/marked-talker.ts';
import { packet, TCP, tcp } from './testing/packets.ts';
import { NODE_ADDRESSES, sh, type TestPod } from './testing/pod-network.ts';
import { EGRESS_SLOT, INGRESS_SLOT, OTHER_EGRESS_SLOT, SteeredWorld, steered, WEB_PORT } from './testing/steered-world.ts';
import { portsOf } from './testing/transparent-proxy.ts';

enterOwnNamespaces();

const INGRESS = RESERVED_IDENTITIES.ingress;
/** Sockets with any mark of a proxy's. */
const OF_PROXY = { mark: 0x800, mask: 0x800 };
const OF_INGRESSES = { mark: 0xd00, mask: 0xf00 };
/** What is given to a socket by which Envoy opened a connection. */
const TO_OPENER = 0x300;
const BY_SLOT = steered(EGRESS_SLOT, WEB);
const BY_ANOTHER = steered(OTHER_EGRESS_SLOT, WEB);
const DIRECTLY = closedBut(allow(WEB, WEB_PORT));

describe('what Envoy opens for Ingresses, where rules of layer 7 decide', needs('root', 'bpf', 'netns', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let world: SteeredWorld;
  let cgroup: Cgroup;
  let holder: TestPod;
  let program: string;
  before(async () => {
    world = cleanUp.use(await SteeredWorld.open());
    cgroup = cleanUp.use(new Cgroup());
    program = cleanUp.use(new TemporaryFolder()).join('marked-talker');
    compileTalker(program);
    holder = await world.network.addPod('holder', 9);
    const { datapath } = world;
    const set = holder.addresses.map((address, family) => ({ prefix: `${address}/${family === 0 ? 32 : 128}`, identity: INGRESS }));
    await datapath.addresses.apply({ set });
    await datapath.endpoints.set(holder.ifindex, { identity: INGRESS, addresses: holder.addresses });
    datapath.attachPod(holder.ifindex);
    datapath.ingress.attach(cgroup.folder);
    datapath.ingress.setClient({ identity: INGRESS, addresses: holder.addresses, needsAddress: true });
  });
  after(() => cleanUp.disposeAsync());
  afterEach(async () => {
    // What the last one left unsaid would be said to the next one's server, once that is allowed again.
    using sockets = TcpSockets.open();
    sockets.destroyAll(OF_PROXY);
    await world.setPolicies({});
  });

  const setEgress = (egress: DirectionPolicy) => world.datapath.verdicts.set([{ subject: INGRESS, ingress: OPEN, egress }]);

  async function open(to: string, port = WEB_PORT) {
    const { talker, said } = await MarkedTalker.open(program, { cgroup }, to, port);
    return { talker, said, [Symbol.asyncDispose]: () => talker[Symbol.asyncDispose]() };
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
    const talk = async () => {
      await using connection = await open(webOf());
      assert.equal(connection.said, holder.addresses[family]);
      assert.equal(await connection.talker.ask('hello'), 'hello');
    };

    test(`goes by way of the slot, and of the pod's own, ${version}`, async () => {
      await setEgress(DIRECTLY);
      assert.deepEqual(await slotsOf(talk), []);
      await setEgress(BY_SLOT);
      assert.deepEqual(await slotsOf(talk), [EGRESS_SLOT.port]);
      await world.setPolicies({ web: steered(INGRESS_SLOT, INGRESS) });
      assert.deepEqual(await slotsOf(talk), [EGRESS_SLOT.port, INGRESS_SLOT.port]);
      await world.setPolicies({ web: CLOSED });
      const before = world.opened();
      await using connection = await open(webOf());
      assert.notEqual(await connection.talker.ask('hello'), 'hello');
      assert.equal(world.opened(), before);
    });

    test(`has a port that no slot's connection has, ${version}`, async () => {
      await setEgress(DIRECTLY);
      const range = sh('cat /proc/sys/net/ipv4/ip_local_port_range').trim();
      sh('echo 61000 65535 > /proc/sys/net/ipv4/ip_local_port_range');
      try {
        await using opened = new AsyncDisposableStack();
        for (let count = 0; count < 8; count += 1) opened.use(await open(webOf()));
        const from = family === 0 ? holder.addresses[0] : `[${holder.addresses[1]}]`;
        const lines = sh(`ss -Htn state established src ${from}`).trim().split('\n');
        const ports = lines.map((line) => Number(/:(\d+)\s+\S+:\d+\s*$/.exec(line)?.[1]));
        assert.equal(ports.length, 8);
        assert.deepEqual(
          ports.filter((port) => !(port >= 32_768 && port < 61_000)),
          [],
        );
      } finally {
        sh(`echo ${range} > /proc/sys/net/ipv4/ip_local_port_range`);
      }
    });

    test(`goes there where others have bits of packets' marks for themselves, ${version}`, async () => {
      await setEgress(BY_SLOT);
      sh(
        `nft 'table inet foreign { chain mangle { type filter hook postrouting priority mangle; meta mark set meta mark and 0xffff; }; }'`,
      );
      try {
        assert.deepEqual(await slotsOf(talk), [EGRESS_SLOT.port]);
      } finally {
        sh('nft delete table inet foreign');
      }
    });

    test(`is answered by the slot's listener and nobody else, ${version}`, async () => {
      const { datapath, proxy } = world;
      await setEgress(BY_SLOT);
      await using connection = await open(webOf());
      assert.equal(await connection.talker.ask('hello'), 'hello');
      const [, client = ''] = (await proxy.connections()).at(-1)?.split(' ') ?? [];
      const port = Number(client.split('/').at(-1));
      await datapath.endpoints.set(LOOPBACK, { identity: INGRESS, addresses: holder.addresses });
      const bytes = packet({ from: webOf(), to: holder.addresses[family], protocol: IP_PROTOCOLS.TCP }, tcp(WEB_PORT, port, TCP.ACK));
      const markOf = (mark: number) => datapath.testRun('to_pod', bytes, mark).mark;
      assert.equal(markOf(0x2711_0900), TO_OPENER);
      for (const mark of [0, 0x2711_0a00, 0x2711_0b00]) assert.notEqual(markOf(mark), TO_OPENER);
      await datapath.endpoints.remove(LOOPBACK);
    });

    for (const [what, before, after] of [
      ['a slot begins', DIRECTLY, BY_SLOT],
      ['another slot begins', BY_SLOT, BY_ANOTHER],
      ['the slot ends', BY_SLOT, DIRECTLY],
      ['nothing is allowed any more', BY_SLOT, CLOSED],
    ] as const) {
      test(`says nothing more where it was open before: ${what}, ${version}`, async () => {
        await setEgress(before);
        await using connection = await open(webOf());
        assert.equal(await connection.talker.ask('hello'), 'hello');
        await setEgress(after);
        const { bytes } = await world.peers.web.served();
        assert.equal(await connection.talker.ask('once more'), 'timeout');
        assert.equal((await world.peers.web.served()).bytes, bytes);
      });
    }

    test(`tells the other side of its end, where it may say nothing else, ${version}`, async () => {
      const { enter } = world.pods.web;
      const established = () => sh(`${enter.join(' ')} ss -Htn state established 'dst [${holder.addresses[family]}]'`);
      const connectionsOfWeb = () => established().match(/\S+:\d+\s+\S+:\d+\s*$/gm) ?? [];
      // What had a slot before may take a while to end, and what was sent before to arrive.
      const before = new Set(connectionsOfWeb());
      const own = () => connectionsOfWeb().filter((connection) => !before.has(connection));
      await setEgress(DIRECTLY);
      await using connection = await open(webOf());
      assert.equal(await connection.talker.ask('hello'), 'hello');
      assert.ok(own().length >= 1, 'nothing came to the server');
      await setEgress(BY_SLOT);
      using sockets = TcpSockets.open();
      assert.ok(sockets.destroyAll(OF_INGRESSES) >= 1, 'nothing was ended');
      await eventually(() => assert.deepEqual(own(), []));
    });

    test(`is refused where no slot could have it, ${version}`, async () => {
      const { datapath } = world;
      const said = async (to = webOf()) => {
        await using connection = await open(to);
        return connection.said;
      };
      await setEgress(BY_SLOT);
      await world.setRedirects({ ...EGRESS_SLOT, ready: false });
      assert.equal(await said(), 'EPERM');
      await world.setRedirects(EGRESS_SLOT);
      datapath.attachSteering(world.steeringDevice);
      assert.equal(await said(), 'EPERM');
      datapath.attachSteering(world.steeringDevice, world.steeringEntry);
      datapath.ingress.setClient({ identity: INGRESS, addresses: [holder.addresses[1 - family] ?? ''], needsAddress: false });
      assert.equal(await said(), 'EPERM');
      datapath.ingress.setClient({ identity: INGRESS, addresses: holder.addresses, needsAddress: true });
      assert.equal(await said(), holder.addresses[family]);
      await setEgress(steered(EGRESS_SLOT, RESERVED_IDENTITIES.host));
      assert.equal(await said(NODE_ADDRESSES[family]), 'EPERM');
    });

    test(`goes nowhere else where routes do not lead to the slot, ${version}`, async () => {
      await setEgress(BY_SLOT);
      const rule = `rule add pref 5 fwmark 0xd01/0xf01 lookup main`;
      const flag = family === 0 ? '-4' : '-6';
      sh(`ip ${flag} ${rule}`);
      try {
        const before = world.opened();
        await using connection = await open(webOf());
        assert.equal(connection.said, 'timeout');
        assert.equal(world.opened(), before);
      } finally {
        sh(`ip ${flag} ${rule.replace('add', 'del')}`);
      }
    });

    test(`is judged as it is opened, for who asks, ${version}`, async () => {
      const judge = () => world.datapath.ingress.judge([80, WEB_PORT].map((port) => ({ address: webOf(), port })));
      for (const [egress, expected] of [
        [OPEN, [0, 0]],
        [DIRECTLY, [undefined, 0]],
        [BY_SLOT, [undefined, EGRESS_SLOT.port]],
        [CLOSED, [undefined, undefined]],
      ] as const) {
        await setEgress(egress);
        assert.deepEqual(judge(), expected);
      }
      await setEgress(steered(EGRESS_SLOT, RESERVED_IDENTITIES.host));
      assert.deepEqual(world.datapath.ingress.judge([{ address: NODE_ADDRESSES[family], port: WEB_PORT }]), [undefined]);
    });
  }
});
