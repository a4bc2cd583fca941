import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { Cgroup } from '../libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { cleanUpNode, Datapath, DatapathError, listServices, PinnedDatapath, ServiceDatapath } from './index.ts';
import { translation } from './services/testing/service-world.ts';
import { ADDRESSES, allow, CLIENT, CLOSED, closedBut, Judged, LOOPBACK, OPEN, openBut, verdict, WEB } from './testing/judged.ts';
import { packet, TCP, tcp } from './testing/packets.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof DatapathError && error.code === code;
}

/** What becomes of a connection to the address of a Service, which no route leads to. */
function connectFrom(cgroup: Cgroup): string {
  const script = "net.connect(80, '192.0.2.1').on('error', (error) => console.log(error.code))";
  return execFileSync('sh', ['-c', cgroup.within('exec "$@"'), 'sh', process.execPath, '-e', script], { encoding: 'utf8' }).trim();
}

describe('the tables of a datapath', needs('root', 'bpf'), () => {
  afterEach(async () => {
    await cleanUpNode(PINS);
  });

  test('are read while another has them open', async () => {
    using judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80), verdict('deny', CLIENT, 17, 0x3500, 8)), openBut(verdict('deny', 0, 6, 25)));
    await judged.setPolicy(OPEN, CLOSED, { subject: CLIENT });
    const pinned = new PinnedDatapath(PINS);
    assert.deepEqual(new Map(pinned.endpoints()), new Map([[LOOPBACK, { identity: WEB, addresses: [...ADDRESSES.web] }]]));
    const addresses = new Map(pinned.addresses().map(({ prefix, identity }) => [prefix, identity]));
    assert.equal(addresses.get('192.0.2.0/24'), RESERVED_IDENTITIES['world-ipv4']);
    assert.equal(addresses.get('fd00:1::2/128'), CLIENT);
    const [web, client] = pinned.policies();
    assert.deepEqual([web?.subject, web?.defaultDeny, client?.subject], [WEB, { ingress: true, egress: false }, CLIENT]);
    assert.deepEqual(client?.verdicts, []);
    assert.deepEqual(
      web?.verdicts.map(({ direction, peer, protocol, port, portPrefixLength, decision }) => {
        return `${direction} ${peer} ${protocol} ${port}/${portPrefixLength} ${decision}`;
      }),
      [`ingress ${CLIENT} 6 80/16 allow`, `ingress ${CLIENT} 17 13568/8 deny`, 'egress 0 6 25/16 deny'],
    );
  });

  test('tell connections and what became of packets', async () => {
    using judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80)), OPEN);
    const opening = packet({ from: ADDRESSES.client[0], to: ADDRESSES.web[0], protocol: 6 }, tcp(4_000, 80, TCP.SYN));
    assert.equal(judged.outcomeOf('to_pod', opening), 'passed-allowed');
    const pinned = new PinnedDatapath(PINS);
    const [connection, ...others] = pinned.connections();
    assert.deepEqual(others, []);
    assert.deepEqual(
      [connection?.localAddress, connection?.localPort, connection?.remotePort, connection?.opened, connection?.peer],
      [ADDRESSES.web[0], 80, 4_000, 'ingress', CLIENT],
    );
    assert.deepEqual(
      pinned.counters().map(({ direction, outcome, packets }) => [direction, outcome, packets]),
      [['ingress', 'passed-allowed', 1n]],
    );
    assert.equal(pinned.policies()[0]?.verdicts[0]?.decided, 1n);
  });

  test('are not there where nobody made them', () => {
    const pinned = new PinnedDatapath(PINS);
    for (const read of ['addresses', 'endpoints', 'policies', 'counters', 'taken'] as const)
      assert.throws(() => pinned[read](), codeOf('nothing-pinned'));
    assert.throws(() => pinned.connections().next(), codeOf('nothing-pinned'));
  });
});

describe('cleaning up a node', needs('root', 'bpf'), () => {
  test('leaves nothing: no program, no queueing discipline, no pin, no link of a cgroup', async () => {
    using cgroup = new Cgroup();
    const disciplines = () => execFileSync('tc', ['qdisc', 'show'], { encoding: 'utf8' });
    const before = [disciplines(), readdirSync('/sys/fs/bpf')];
    {
      using datapath = await Datapath.open({ pinFolder: PINS });
      datapath.attachPod(LOOPBACK);
      using services = await ServiceDatapath.open({ pinFolder: PINS });
      await services.apply({ set: [translation('none', { frontends: [['192.0.2.1', 80]] })] });
      services.attach(cgroup.folder);
      assert.deepEqual(
        (await listServices(PINS)).map(({ name }) => name),
        ['none'],
      );
      await assert.rejects(cleanUpNode(PINS), codeOf('locked'));
      assert.deepEqual([...datapath.attached()], [[LOOPBACK, ['from_pod', 'to_pod']]]);
    }
    assert.notDeepEqual([disciplines(), readdirSync('/sys/fs/bpf')], before);
    assert.notEqual(connectFrom(cgroup), 'ENETUNREACH');
    assert.deepEqual(await cleanUpNode(PINS), { devices: [LOOPBACK], hadPins: true });
    assert.deepEqual([disciplines(), readdirSync('/sys/fs/bpf')], before);
    assert.equal(connectFrom(cgroup), 'ENETUNREACH');
    assert.deepEqual(await cleanUpNode(PINS), { devices: [], hadPins: false });
  });
});
