import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { MarkedConnection, markListener } from '../../testkit/marked-socket.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { LEG_MARKS, removeSteeringNetwork, SteeringNetwork } from './index.ts';

enterOwnNetwork();

const { egressListener, ingressListener, ingressUpstream } = LEG_MARKS;
/** A slot's port, of which listeners and connections have the number in their marks. */
const PROXY_PORT = 10_001;
const STEERED_PORT = 10_002;
const OTHERS_PORT = 10_250;
const LEAVING_PORT = 10_251;
const NODE = { ipv4: '10.1.0.1', ipv6: 'fd00:1::1' } as const;
const POD = { ipv4: '10.1.0.7', ipv6: 'fd00:1::7' } as const;
/** Addresses of the node that packets to pods do not go out from. */
const CLIENT = { ipv4: OWN_ADDRESS, ipv6: 'fd00:99::1' } as const;
const LOOPBACK = { ipv4: '127.0.0.1', ipv6: '::1' } as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;
const LISTENERS = { 'an egress slot': egressListener, 'an ingress slot': ingressListener } as const;

/** Counts what comes to a port before and behind the guard, and does to another what the kernel's programs do to a packet for Envoy. */
const OBSERVER = `
table inet observer {
  counter arrived { }
  counter passed { }
  counter untracked_in { }
  counter untracked_out { }
  chain steer { type filter hook prerouting priority -310; tcp dport ${STEERED_PORT} meta mark set 0x200; }
  chain before { type filter hook input priority -170; tcp dport ${PROXY_PORT} counter name arrived; }
  chain behind { type filter hook input priority -150; tcp dport ${PROXY_PORT} counter name passed; tcp dport ${STEERED_PORT} ct state untracked counter name untracked_in; }
  chain out { type filter hook output priority 0; tcp sport ${STEERED_PORT} ct state untracked counter name untracked_out; }
}`;
/** Counts what IPVS would send on that was steered, before and behind the guard. */
const LEAVER = `
table inet observer {
  counter leaving { }
  counter left { }
  chain send { type filter hook output priority -310; tcp dport ${LEAVING_PORT} meta mark set 0x200 counter name leaving; }
  chain behind { type filter hook output priority -290; tcp dport ${LEAVING_PORT} counter name left; }
}`;
/** As a network plugin has it that hides whoever talks to its pods. */
const MASQUERADE = `
table inet plugin {
  chain post { type nat hook postrouting priority 100; ip daddr 10.1.0.0/24 masquerade; ip6 daddr fd00:1::/64 masquerade; }
}`;

function nft(script: string): void {
  execFileSync('nft', ['-f', '-'], { input: script, stdio: ['pipe', 'ignore', 'inherit'] });
}

function packets(counter: string): number {
  const output = execFileSync('nft', ['-j', 'list', 'counter', 'inet', 'observer', counter], { encoding: 'utf8' });
  const entries: readonly { readonly counter?: { readonly packets: number } }[] = JSON.parse(output).nftables;
  return entries.find((entry) => entry.counter !== undefined)?.counter?.packets ?? 0;
}

async function listen(port: number, mark: number): Promise<Server> {
  const server = createServer((connection) => connection.end());
  server.listen(port, '::');
  await once(server, 'listening');
  if (mark !== 0) markListener(server, (port << 16) | mark);
  return server;
}

function connector(address: string, port: number): readonly [string, ...string[]] {
  return ['bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`];
}

describe('packets of a node that can steer', needs('root', 'netns', 'ipv6'), () => {
  const pod = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const inPod = ['nsenter', '--net', '--target', String(pod.pid)] as const;
  const folder = new TemporaryFolder();
  const options = { stateFolder: folder.join('state'), proxyPorts: { first: 10_000, last: 19_999 }, onEvent: () => {} };
  let network: SteeringNetwork;

  before(async () => {
    // It has its own network as soon as its name has changed.
    await eventually(() => assert.match(execFileSync('cat', [`/proc/${pod.pid}/comm`], { encoding: 'utf8' }), /^sleep/));
    const script = `
      ip link add pod0 type veth peer name eth0 netns ${pod.pid}
      ip address add ${NODE.ipv4}/24 dev pod0; ip address add ${NODE.ipv6}/64 dev pod0 nodad; ip link set pod0 up
      ip address add ${CLIENT.ipv6}/128 dev lo nodad
      ${inPod.join(' ')} sh -ec 'ip link set lo up; ip address add ${POD.ipv4}/24 dev eth0; ip address add ${POD.ipv6}/64 dev eth0 nodad
        ip link set eth0 up; ip route add default via ${NODE.ipv4}; ip -6 route add default via ${NODE.ipv6}'`;
    execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'ignore', 'inherit'] });
    network = SteeringNetwork.open(options);
  });
  after(() => {
    network?.[Symbol.dispose]();
    removeSteeringNetwork(options);
    folder.dispose();
    pod.kill('SIGKILL');
  });

  for (const [what, mark] of Object.entries(LISTENERS)) {
    for (const family of FAMILIES) {
      const ways = {
        'a pod': [...inPod, ...connector(NODE[family], PROXY_PORT)],
        'the node': connector(NODE[family], PROXY_PORT),
        loopback: connector(LOOPBACK[family], PROXY_PORT),
      };
      for (const [who, [command = '', ...args]] of Object.entries(ways)) {
        test(`the listener of ${what} is out of reach for ${who} over ${family}`, async () => {
          nft(OBSERVER);
          const server = await listen(PROXY_PORT, mark);
          const clients = [1, 2].map(() => spawn(command, args, { stdio: 'ignore' }));
          try {
            // When the second is counted, the first has gone all its way.
            await eventually(() => assert.ok(packets('arrived') >= 2));
            assert.equal(packets('passed'), 0);
          } finally {
            for (const client of clients) client.kill('SIGKILL');
            server.close();
            nft('delete table inet observer');
          }
        });
      }
    }
  }

  for (const family of FAMILIES) {
    test(`a packet that was steered comes to the listener, and neither it nor the answer is tracked, over ${family}`, async () => {
      nft(OBSERVER);
      const server = await listen(STEERED_PORT, egressListener);
      try {
        const [command, ...args] = [...inPod, ...connector(NODE[family], STEERED_PORT)];
        const accepted = once(server, 'connection');
        execFileSync(command, args);
        await accepted;
        assert.ok(packets('untracked_in') > 0);
        assert.ok(packets('untracked_out') > 0);
      } finally {
        server.close();
        nft('delete table inet observer');
      }
    });

    test(`what was given to Envoy leaves nowhere again over ${family}`, async () => {
      nft(LEAVER);
      const [command, ...args] = connector(POD[family], LEAVING_PORT);
      const clients = [1, 2].map(() => spawn(command, args, { stdio: 'ignore' }));
      try {
        await eventually(() => assert.ok(packets('leaving') >= 2));
        assert.equal(packets('left'), 0);
      } finally {
        for (const client of clients) client.kill('SIGKILL');
        nft('delete table inet observer');
      }
    });

    test(`another program that listens on a port of that range is reached by everybody over ${family}`, async () => {
      const server = await listen(OTHERS_PORT, 0);
      try {
        const accepted = once(server, 'connection');
        const [command, ...args] = [...inPod, ...connector(NODE[family], OTHERS_PORT)];
        execFileSync(command, args);
        await accepted;
      } finally {
        server.close();
      }
    });

    test(`the client's address is kept where a network plugin would masquerade, over ${family}`, async () => {
      nft(MASQUERADE);
      network.repair();
      const script =
        "const s = require('node:net').createServer((c) => console.log(c.remoteAddress)).listen(8080, '::', () => console.log('up'))";
      const server = spawn(inPod[0], [...inPod.slice(1), process.execPath, '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
      const said = async () => String((await lines.next()).value).replace('::ffff:', '');
      const to = { from: CLIENT[family], to: POD[family], port: 8080 };
      try {
        assert.equal(await said(), 'up');
        const sources = new Map([
          [0, NODE[family]],
          [LEG_MARKS.egressUpstream, NODE[family]],
          [ingressUpstream, CLIENT[family]],
          [ingressListener, CLIENT[family]],
        ]);
        for (const [mark, expected] of sources) {
          using _connection = new MarkedConnection({ ...to, mark: mark === 0 ? 0 : (PROXY_PORT << 16) | mark });
          assert.equal(await said(), expected, `mark 0x${mark.toString(16)}`);
        }
      } finally {
        server.kill('SIGKILL');
        nft('delete table inet plugin');
      }
    });
  }
});
