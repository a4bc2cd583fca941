import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { serviceObject } from '../testkit/kube-objects.ts';
import { fieldsThatLeave, whyLeftOutside } from './index.ts';

const ADDRESSES = {
  cluster: '10.96.0.1',
  cluster6: 'fd00:96::1',
  external: '192.0.2.1',
  balancer: '198.51.100.1',
  balancer6: '2001:db8::1',
  node: '0.0.0.0',
} as const;
const ALL_BUT_CLUSTER = ['external', 'balancer', 'balancer6', 'node'] as const;
const BALANCERS = [{ ip: '198.51.100.1' }, { ip: '2001:0DB8::1' }];
const [LOCAL, RANGES] = ['externalTrafficPolicy', 'loadBalancerSourceRanges'] as const;

function service(spec: object, ingress: readonly object[] = BALANCERS) {
  const addresses = { clusterIPs: ['10.96.0.1', 'fd00:96::1'], externalIPs: ['192.0.2.1'], type: 'LoadBalancer' };
  return serviceObject({ ...addresses, ports: [{ port: 80 }], ...spec }, {}, { loadBalancer: { ingress } });
}

describe('what is asked of a Service from outside of the nodes', () => {
  for (const [what, object, left, fields] of [
    ['nothing, where nothing is said', service({}), {}, []],
    ['nothing, where endpoints of all nodes are asked', service({ externalTrafficPolicy: 'Cluster' }), {}, []],
    [
      'all, where endpoints of the own node are asked',
      service({ externalTrafficPolicy: 'Local' }),
      Object.fromEntries(ALL_BUT_CLUSTER.map((name) => [name, LOCAL])),
      [LOCAL],
    ],
    [
      'addresses of load balancers of the family of a range',
      service({ loadBalancerSourceRanges: ['203.0.113.0/24'] }),
      { balancer: RANGES },
      [RANGES],
    ],
    [
      'those of both, where a range is none',
      service({ loadBalancerSourceRanges: ['somebody'] }),
      { balancer: RANGES, balancer6: RANGES },
      [RANGES],
    ],
    ['none where a range has everybody', service({ loadBalancerSourceRanges: ['203.0.113.0/24', '0.0.0.0/0'] }), {}, []],
    [
      'both',
      service({ externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['203.0.113.0/24'] }),
      Object.fromEntries(ALL_BUT_CLUSTER.map((name) => [name, LOCAL])),
      [LOCAL],
    ],
    [
      'an address that load balancers have beside others',
      service({ externalIPs: ['198.51.100.1'], loadBalancerSourceRanges: ['203.0.113.0/24'] }),
      { balancer: RANGES },
      [RANGES],
    ],
    [
      'none of a load balancer that others are to go by, too',
      service({ loadBalancerSourceRanges: ['203.0.113.0/24'] }, [{ ip: '198.51.100.1', ipMode: 'Proxy' }]),
      {},
      [],
    ],
    [
      'nothing where there is no way from outside',
      service({ externalTrafficPolicy: 'Local', type: 'ClusterIP', externalIPs: [] }, []),
      Object.fromEntries(ALL_BUT_CLUSTER.map((name) => [name, LOCAL])),
      [],
    ],
  ] as const) {
    test(`leaves ${what}`, () => {
      const found = Object.entries(ADDRESSES).map(([name, address]) => [name, whyLeftOutside(object, { address })]);
      assert.deepEqual(Object.fromEntries(found.filter(([, why]) => why !== undefined)), left);
      assert.deepEqual(fieldsThatLeave(object), fields);
    });
  }
});
