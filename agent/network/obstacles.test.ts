import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { SteeringWorld } from '../../testkit/steering-world.ts';
import { findSteeringObstacles, inspectSteeringNetwork } from './index.ts';

enterOwnNetwork();

const INPUT = 'type filter hook input priority 0;';
const ACCEPT = 'iifname steer0 meta mark and 0xf00 == 0x200 accept';
const SOURCES = 'type filter hook prerouting priority -290;';

/** Tables, and what is said of them. */
const TABLES: Readonly<Record<string, readonly [tables: string, expected: Readonly<Record<string, string>>]>> = {
  nothing: ['', {}],
  'a chain that lets pass': [`table inet filter { chain input { ${INPUT} policy accept; tcp dport 22 drop; } }`, {}],
  'a chain that drops, of each family': [
    `table inet filter { chain input { ${INPUT} policy drop; ct state established accept; } }
     table ip filter { chain INPUT { ${INPUT} policy drop; } }
     table ip6 filter { chain INPUT { ${INPUT} policy drop; } }`,
    {
      'the chain input of the table inet filter drops what none of its rules accepts': `nft insert rule inet filter input ${ACCEPT}`,
      'the chain INPUT of the table ip filter drops what none of its rules accepts': `nft insert rule ip filter INPUT ${ACCEPT}`,
      'the chain INPUT of the table ip6 filter drops what none of its rules accepts': `nft insert rule ip6 filter INPUT ${ACCEPT}`,
    },
  ],
  'what forwards is none of it': ['table inet filter { chain forward { type filter hook forward priority 0; policy drop; } }', {}],
  'a chain that was told': [`table inet filter { chain input { ${INPUT} policy drop; ${ACCEPT}; } }`, {}],
  'a firewall with zones': [
    `table inet firewalld { chain filter_INPUT { ${INPUT} policy accept; reject with icmpx admin-prohibited; }
       chain filter_PREROUTING { ${SOURCES} policy accept; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; } }`,
    {
      'firewalld accepts nothing from a device that is in no zone':
        'firewall-cmd --permanent --zone=trusted --add-interface=steer0, then firewall-cmd --reload',
      'a rule of the table inet firewalld drops packets that come by another device than their answers would go':
        'IPv6_rpfilter=loose in /etc/firewalld/firewalld.conf, then firewall-cmd --complete-reload',
    },
  ],
  'a mild check of sources': [`table inet other { chain pre { ${SOURCES} fib saddr . mark oif missing drop; } }`, {}],
  'a strict check of sources': [
    `table ip6 other { chain pre { ${SOURCES} fib saddr . iif oif missing drop; } }`,
    {
      'a rule of the table ip6 other drops packets that come by another device than their answers would go':
        'have that rule leave out packets of the device steer0',
    },
  ],
  'marks of kube-proxy': [
    `table ip kube-proxy { chain post { type nat hook postrouting priority 100; meta mark set meta mark xor 0x4000; } }`,
    {},
  ],
  'marks that are ours': [
    `table ip mangle { chain post { type filter hook postrouting priority -150; meta mark set meta mark & 0xfff0ffff; meta mark set meta mark | 0x8000; } }`,
    {
      "rules of the table ip mangle change bits 0xf0000 of packets' marks, which are Sluice's":
        'have whoever made these rules use other bits, of 0xf000: packets may be dropped whose marks are not as they were',
    },
  ],
  'where packets go to': [`table inet other { chain pre { ${SOURCES} fib daddr . iif type != local drop; } }`, {}],
};

describe('what of others would drop packets for Envoy', needs('root', 'netns'), () => {
  for (const [what, [tables, expected]] of Object.entries(TABLES)) {
    test(what, () => {
      using world = new SteeringWorld();
      using _network = world.open();
      execFileSync('nft', ['-f', '-'], { input: tables.replaceAll(/[{};]/g, '$&\n'), stdio: ['pipe', 'ignore', 'inherit'] });
      try {
        assert.deepEqual(Object.fromEntries(findSteeringObstacles().map(({ found, todo }) => [found, todo])), expected);
        // What is told to do is what helps.
        const todos = Object.values(expected).flatMap((todo) => /^nft (.*)$/.exec(todo)?.[1] ?? []);
        for (const todo of todos) execFileSync('nft', [todo]);
        if (todos.length > 0) assert.deepEqual(findSteeringObstacles(), []);
      } finally {
        execFileSync('nft', ['flush', 'ruleset']);
      }
    });
  }

  test('looking changes nothing, and needs no place to remember', () => {
    using world = new SteeringWorld();
    const { proxyPorts } = world.options;
    assert.equal(inspectSteeringNetwork({ proxyPorts }), undefined);
    world.open()[Symbol.dispose]();
    assert.deepEqual(
      inspectSteeringNetwork({ proxyPorts })?.filter(({ wanted, found }) => wanted !== found),
      [],
    );
    const narrower = inspectSteeringNetwork({ proxyPorts: { ...proxyPorts, last: 12_000 } });
    assert.deepEqual(
      narrower?.filter(({ wanted, found }) => wanted !== found).map(({ name, found }) => [name, found]),
      [['inet sluice guard_listeners', 'something else']],
    );
  });
});
