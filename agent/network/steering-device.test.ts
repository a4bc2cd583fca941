import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { markListener } from '../../testkit/marked-socket.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import { run, SteeringWorld, setSysctl } from '../../testkit/steering-world.ts';
import { LEG_MARKS } from './index.ts';

enterOwnNetwork();

const PORT = 8_080;
const NODE = { ipv4: '10.1.0.1', ipv6: 'fd00:1::1' } as const;
const POD = { ipv4: '10.1.0.7', ipv6: 'fd00:1::7' } as const;
const OWN = { ipv4: OWN_ADDRESS, ipv6: 'fd00:99::1' } as const;
/** Nobody's, and reached through the device. */
const OUTSIDE = { ipv4: '203.0.113.80', ipv6: '2001:db8:80::80' } as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Does to packets that come in at the device what the kernel's programs do to those for Envoy. */
const STEER = 'table inet steer {\n chain pre {\n type filter hook prerouting priority -310;\n iifname steer0 meta mark set 0x200\n }\n}';

/** Has packets for the outside go out at the other end of the device, so that they come in at it. */
function lead(mac: string): string {
  return `
  ip -6 address replace ${OWN.ipv6}/128 dev lo nodad
  ip route replace ${OUTSIDE.ipv4} dev steer1 src ${OWN.ipv4}; ip -6 route replace ${OUTSIDE.ipv6} dev steer1 src ${OWN.ipv6}
  ip neighbour replace ${OUTSIDE.ipv4} lladdr ${mac} dev steer1; ip neighbour replace ${OUTSIDE.ipv6} lladdr ${mac} dev steer1`;
}

function say(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8');
}

describe('packets that come in at the device', needs('root', 'netns', 'ipv6'), () => {
  const pod = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const inPod = ['nsenter', '--net', '--target', String(pod.pid)] as const;
  const server = createServer((connection) => connection.end());
  let world: SteeringWorld;

  before(async () => {
    world = new SteeringWorld();
    // It has its own network as soon as its name has changed.
    await eventually(() => assert.match(say(pod.pid), /^sleep/));
    const script = `
      ip link add pod0 type veth peer name eth0 netns ${pod.pid}
      ip address add ${NODE.ipv4}/24 dev pod0; ip address add ${NODE.ipv6}/64 dev pod0 nodad; ip link set pod0 up
      ${inPod.join(' ')} sh -ec 'ip address add ${POD.ipv4}/24 dev eth0; ip address add ${POD.ipv6}/64 dev eth0 nodad
        ip link set eth0 up; ip route add default via ${NODE.ipv4}; ip -6 route add default via ${NODE.ipv6}'`;
    run('sh', '-ec', script);
    setSysctl('ipv4/ip_forward', '1');
    setSysctl('ipv6/conf/all/forwarding', '1');
    server.listen(PORT, '::');
    await once(server, 'listening');
    markListener(server, (10_001 << 16) | LEG_MARKS.egressListener);
    execFileSync('nft', ['-f', '-'], { input: STEER, stdio: ['pipe', 'ignore', 'inherit'] });
  });
  after(() => {
    server.close();
    world?.[Symbol.dispose]();
    pod.kill('SIGKILL');
  });

  for (const check of ['0', '1', '2']) {
    for (const family of FAMILIES) {
      for (const [who, prefix, from] of [
        ['a pod', inPod, POD[family]],
        ['the node itself', [], OWN[family]],
      ] as const) {
        test(`come to the listener with both addresses from ${who} over ${family}, where all.rp_filter is ${check}`, async () => {
          setSysctl('ipv4/conf/all/rp_filter', check);
          world.open()[Symbol.dispose]();
          // Packets go out at the other end here, which is for nothing else.
          setSysctl('ipv6/conf/steer1/disable_ipv6', '0');
          const [device] = JSON.parse(run('ip', '-json', 'link', 'show', 'steer0'));
          run('sh', '-ec', lead(device.address));
          const accepted = once(server, 'connection');
          const [command = '', ...args] = [...prefix, 'bash', '-c', `exec 3<>/dev/tcp/${OUTSIDE[family]}/${PORT}`];
          run(command, ...args);
          const [connection]: Socket[] = await accepted;
          const plain = (address = '') => address.replace('::ffff:', '');
          assert.deepEqual([plain(connection?.remoteAddress), plain(connection?.localAddress)], [from, OUTSIDE[family]]);
        });
      }
    }
  }
});
