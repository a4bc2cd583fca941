import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RESERVED_IDENTITIES } from '../model/index.ts';
import { compileAll } from './testing/compile.ts';
import { node, pod } from './testing/manifests.ts';

const FLANNEL = 'flannel.alpha.coreos.com';
const CALICO = 'projectcalico.org';
const OWN = '192.168.56.10/32';

/** Prefixes of all nodes. */
function nodeAddresses(annotations: unknown, podCIDRs = ['10.244.1.0/24', 'fd00:244:1::/64'], ...others: readonly object[]): string[] {
  const [base] = [node('node-0', '192.168.56.10', '10.244.1.0/24')];
  const annotated = { ...base, metadata: { name: 'node-0', annotations }, spec: { podCIDRs } };
  const { addresses } = compileAll([annotated, ...others] as Parameters<typeof compileAll>[0]).change;
  return addresses.upserts.filter(({ identity }) => identity === RESERVED_IDENTITIES['remote-node']).map(({ prefix }) => prefix);
}

describe('addresses that a node sends by', () => {
  const CASES: readonly [what: string, annotations: unknown, expected: readonly string[]][] = [
    ['are its own', {}, []],
    ['are not read from what is none', { [`${CALICO}/IPv4Address`]: 'x', [`${CALICO}/IPv6Address`]: '', other: '10.0.0.1' }, []],
    [
      'are those of its tunnels, as Calico writes them',
      {
        [`${CALICO}/IPv4Address`]: '192.168.57.10/24',
        [`${CALICO}/IPv4IPIPTunnelAddr`]: '10.244.1.64',
        [`${CALICO}/IPv4VXLANTunnelAddr`]: '10.244.1.65',
        [`${CALICO}/IPv6VXLANTunnelAddr`]: 'fd00:244:1::40',
        [`${CALICO}/IPv4WireguardInterfaceAddr`]: '10.244.1.66',
      },
      ['10.244.1.64/32', '10.244.1.65/32', '10.244.1.66/32', '192.168.57.10/32', 'fd00:244:1::40/128'],
    ],
    [
      'are those of its tunnel and bridge, which flannel takes from the network of its pods',
      { [`${FLANNEL}/backend-type`]: 'vxlan', [`${FLANNEL}/public-ip`]: '203.0.113.4', [`${FLANNEL}/public-ipv6`]: '2001:db8::4' },
      ['10.244.1.0/32', '10.244.1.1/32', '2001:db8::4/128', '203.0.113.4/32', 'fd00:244:1::/128', 'fd00:244:1::1/128'],
    ],
  ];
  for (const [what, annotations, expected] of CASES) {
    test(what, () => assert.deepEqual(nodeAddresses(annotations).sort(), [...expected, OWN].sort()));
  }

  test('are nobody’s where the network of its pods has no room for them', () => {
    assert.deepEqual(nodeAddresses({ [`${FLANNEL}/backend-type`]: 'vxlan' }, ['10.244.1.0/31', 'none']), [OWN]);
  });

  test('are a pod’s that is known to have one', () => {
    const flannel = { [`${FLANNEL}/backend-type`]: 'host-gw' };
    assert.deepEqual(nodeAddresses(flannel, ['10.244.1.0/24'], pod('web', '10.244.1.1', {})), ['10.244.1.0/32', OWN]);
  });
});
