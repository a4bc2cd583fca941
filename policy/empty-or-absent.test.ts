import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../model/index.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

// What an absent, an empty and a full list of each field mean. A word for each of: a neighbour's packet to port 80, one to port 81, and one
// from outside, all towards the pod `web`; or of `web` towards these, for rules for what goes out.

const WORLD = [
  namespace('default'),
  namespace('other'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  node('node-1', '192.168.56.11', '10.244.1.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  pod('near', '10.244.0.3', { app: 'near' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  pod('far', '10.244.1.4', { app: 'far' }, { namespace: 'other', spec: { nodeName: 'node-1' } }),
];
const HOSTS = hostsOf(WORLD);
const WEB = '10.244.0.2';
const NEAR = '10.244.0.3';
const FAR = '10.244.1.4';
const OUTSIDE = '203.0.113.7';

/** Which of five pass: a neighbour at port 80 and 81, a pod of another namespace, somebody outside, and an echo of the neighbour. */
function passing(policy: unknown, direction: 'ingress' | 'egress'): string {
  const { compiled } = compileAll([...WORLD, policy]);
  const judge = (other: string, protocol: number, port: number) =>
    compiled.judge(direction === 'ingress' ? other : WEB, direction === 'ingress' ? WEB : other, protocol, port, HOSTS) === 'allow';
  const passes: [string, boolean][] = [
    ['near80', judge(NEAR, IP_PROTOCOLS.TCP, 80)],
    ['near81', judge(NEAR, IP_PROTOCOLS.TCP, 81)],
    ['far', judge(FAR, IP_PROTOCOLS.TCP, 80)],
    ['outside', judge(OUTSIDE, IP_PROTOCOLS.TCP, 80)],
    ['ping', judge(NEAR, IP_PROTOCOLS.ICMP, 8)],
  ];
  return passes.flatMap(([name, passed]) => (passed ? [name] : [])).join(' ');
}

const ALL = 'near80 near81 far outside ping';
const NONE = '';

type Case = readonly [what: string, direction: 'ingress' | 'egress', spec: object, passing: string];

const web = { podSelector: { matchLabels: { app: 'web' } } };
const near = { podSelector: { matchLabels: { app: 'near' } } };

const NETWORK_POLICY: readonly Case[] = [
  ['podSelector absent selects all', 'ingress', { policyTypes: ['Ingress'] }, NONE],
  ['podSelector empty selects all', 'ingress', { podSelector: {}, policyTypes: ['Ingress'] }, NONE],
  ['matchLabels empty selects all', 'ingress', { podSelector: { matchLabels: {} } }, NONE],
  ['matchExpressions empty selects all', 'ingress', { podSelector: { matchExpressions: [] } }, NONE],
  ['podSelector of another selects not', 'ingress', near, ALL],
  ['policyTypes absent: ingress, in any case', 'ingress', web, NONE],
  ['policyTypes absent: egress not without rules', 'egress', web, ALL],
  ['policyTypes absent, egress empty: not', 'egress', { ...web, egress: [] }, ALL],
  ['policyTypes absent, egress full: with them', 'egress', { ...web, egress: [{ to: [near] }] }, 'near80 near81 ping'],
  ['policyTypes empty is absent: ingress', 'ingress', { ...web, policyTypes: [] }, NONE],
  ['policyTypes empty is absent: egress', 'egress', { ...web, policyTypes: [] }, ALL],
  ['policyTypes Egress, egress absent', 'egress', { ...web, policyTypes: ['Egress'] }, NONE],
  ['policyTypes Egress, egress empty', 'egress', { ...web, policyTypes: ['Egress'], egress: [] }, NONE],
  ['policyTypes Egress: ingress not', 'ingress', { ...web, policyTypes: ['Egress'], ingress: [] }, ALL],
  ['ingress empty', 'ingress', { ...web, ingress: [] }, NONE],
  ['ingress of an empty rule', 'ingress', { ...web, ingress: [{}] }, ALL],
  ['egress of an empty rule', 'egress', { ...web, egress: [{}] }, ALL],
  ['from empty is everybody', 'ingress', { ...web, ingress: [{ from: [] }] }, ALL],
  ['to empty is everybody', 'egress', { ...web, egress: [{ to: [] }] }, ALL],
  ['from full', 'ingress', { ...web, ingress: [{ from: [near] }] }, 'near80 near81 ping'],
  ['ports empty is all', 'ingress', { ...web, ingress: [{ from: [near], ports: [] }] }, 'near80 near81 ping'],
  ['ports full', 'ingress', { ...web, ingress: [{ from: [near], ports: [{ port: 80 }] }] }, 'near80'],
  ['port absent is all of the protocol', 'ingress', { ...web, ingress: [{ from: [near], ports: [{}] }] }, 'near80 near81'],
  ['peer podSelector empty: of the own namespace', 'ingress', { ...web, ingress: [{ from: [{ podSelector: {} }] }] }, 'near80 near81 ping'],
  [
    'peer namespaceSelector empty: of all',
    'ingress',
    { ...web, ingress: [{ from: [{ namespaceSelector: {} }] }] },
    'near80 near81 far ping',
  ],
  [
    'peer both empty: of all',
    'ingress',
    { ...web, ingress: [{ from: [{ namespaceSelector: {}, podSelector: {} }] }] },
    'near80 near81 far ping',
  ],
  ['except absent', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }] }, 'outside'],
  ['except empty', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: [] } }] }] }, 'outside'],
  ['except full', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.0/25'] } }] }] }, NONE],
];

const endpoint = { endpointSelector: { matchLabels: { app: 'web' } } };
const fromNear = { fromEndpoints: [{ matchLabels: { app: 'near' } }] };
const on80 = { toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] };
const notIsolating = { enableDefaultDeny: { ingress: false, egress: false } };

const CILIUM: readonly Case[] = [
  ['endpointSelector empty selects all of the namespace', 'ingress', { endpointSelector: {}, ingress: [{}] }, NONE],
  ['endpointSelector of another', 'ingress', { endpointSelector: { matchLabels: { app: 'near' } }, ingress: [{}] }, ALL],
  ['ingress absent', 'ingress', endpoint, ALL],
  ['ingress empty', 'ingress', { ...endpoint, ingress: [] }, ALL],
  ['ingress of an empty rule', 'ingress', { ...endpoint, ingress: [{}] }, NONE],
  ['egress absent', 'egress', endpoint, ALL],
  ['egress empty', 'egress', { ...endpoint, egress: [] }, ALL],
  ['egress of an empty rule', 'egress', { ...endpoint, egress: [{}] }, NONE],
  ['ingressDeny empty', 'ingress', { ...endpoint, ingressDeny: [] }, ALL],
  ['ingressDeny of an empty rule isolates and denies nothing', 'ingress', { ...endpoint, ingressDeny: [{}] }, NONE],
  [
    'ingressDeny of an empty rule beside an allowance',
    'ingress',
    { ...endpoint, ingressDeny: [{}], ingress: [{ fromEntities: ['all'] }] },
    ALL,
  ],
  ['egressDeny empty', 'egress', { ...endpoint, egressDeny: [] }, ALL],
  ['egressDeny full', 'egress', { ...endpoint, egressDeny: [{ toCIDR: ['203.0.113.0/24'] }], ...notIsolating }, 'near80 near81 far ping'],
  ['enableDefaultDeny absent', 'ingress', { ...endpoint, ingress: [fromNear] }, 'near80 near81 ping'],
  ['enableDefaultDeny empty', 'ingress', { ...endpoint, ingress: [fromNear], enableDefaultDeny: {} }, 'near80 near81 ping'],
  ['enableDefaultDeny false', 'ingress', { ...endpoint, ingress: [fromNear], ...notIsolating }, ALL],
  ['enableDefaultDeny true without rules', 'ingress', { ...endpoint, enableDefaultDeny: { ingress: true } }, NONE],
  ['fromEndpoints empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromEndpoints: [] }] }, NONE],
  ['fromEndpoints empty is nobody, with ports also', 'ingress', { ...endpoint, ingress: [{ fromEndpoints: [], ...on80 }] }, NONE],
  ['fromEndpoints of an empty selector', 'ingress', { ...endpoint, ingress: [{ fromEndpoints: [{}] }] }, 'near80 near81 ping'],
  ['fromEndpoints absent, with ports', 'ingress', { ...endpoint, ingress: [on80] }, 'near80 far outside'],
  ['fromCIDR empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromCIDR: [], ...on80 }] }, NONE],
  ['fromCIDRSet empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromCIDRSet: [], ...on80 }] }, NONE],
  ['fromEntities empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromEntities: [], ...on80 }] }, NONE],
  ['fromNodes empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromNodes: [], ...on80 }] }, NONE],
  ['fromGroups empty is nobody', 'ingress', { ...endpoint, ingress: [{ fromGroups: [], ...on80 }] }, NONE],
  ['toEndpoints empty is nobody', 'egress', { ...endpoint, egress: [{ toEndpoints: [], ...on80 }] }, NONE],
  ['toCIDR empty is nobody', 'egress', { ...endpoint, egress: [{ toCIDR: [], ...on80 }] }, NONE],
  ['toCIDRSet empty is nobody', 'egress', { ...endpoint, egress: [{ toCIDRSet: [], ...on80 }] }, NONE],
  ['toEntities empty is nobody', 'egress', { ...endpoint, egress: [{ toEntities: [], ...on80 }] }, NONE],
  ['toServices empty is nobody', 'egress', { ...endpoint, egress: [{ toServices: [], ...on80 }] }, NONE],
  ['toFQDNs empty is nobody', 'egress', { ...endpoint, egress: [{ toFQDNs: [], ...on80 }] }, NONE],
  ['toNodes empty is nobody', 'egress', { ...endpoint, egress: [{ toNodes: [], ...on80 }] }, NONE],
  ['toGroups empty is nobody', 'egress', { ...endpoint, egress: [{ toGroups: [], ...on80 }] }, NONE],
  ['fromRequires empty asks for nothing', 'ingress', { ...endpoint, ingress: [{ ...fromNear, fromRequires: [] }] }, 'near80 near81 ping'],
  ['toPorts empty is all', 'ingress', { ...endpoint, ingress: [{ ...fromNear, toPorts: [] }] }, 'near80 near81 ping'],
  ['toPorts empty and nobody named: nobody', 'ingress', { ...endpoint, ingress: [{ toPorts: [] }] }, NONE],
  ['ports absent is none', 'ingress', { ...endpoint, ingress: [{ ...fromNear, toPorts: [{}] }] }, NONE],
  ['ports empty is none', 'ingress', { ...endpoint, ingress: [{ ...fromNear, toPorts: [{ ports: [] }] }] }, NONE],
  ['ports full', 'ingress', { ...endpoint, ingress: [{ ...fromNear, ...on80 }] }, 'near80'],
  [
    'rules empty ask for nothing',
    'ingress',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: {} }] }] },
    'near80 far outside',
  ],
  [
    'rules of a kind without any',
    'ingress',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { http: [] } }] }] },
    NONE,
  ],
  [
    'serverNames empty ask for nothing',
    'egress',
    { ...endpoint, egress: [{ toPorts: [{ ports: [{ port: '80' }], serverNames: [] }] }] },
    'near80 far outside',
  ],
  ['icmps empty is all', 'ingress', { ...endpoint, ingress: [{ ...fromNear, icmps: [] }] }, 'near80 near81 ping'],
  ['fields absent is none', 'ingress', { ...endpoint, ingress: [{ ...fromNear, icmps: [{}] }] }, NONE],
  ['fields empty is none', 'ingress', { ...endpoint, ingress: [{ ...fromNear, icmps: [{ fields: [] }] }] }, NONE],
  ['fields full', 'ingress', { ...endpoint, ingress: [{ ...fromNear, icmps: [{ fields: [{ type: 'EchoRequest' }] }] }] }, 'ping'],
  ['except absent', 'ingress', { ...endpoint, ingress: [{ fromCIDRSet: [{ cidr: '203.0.113.0/24' }] }] }, 'outside'],
  ['except empty', 'ingress', { ...endpoint, ingress: [{ fromCIDRSet: [{ cidr: '203.0.113.0/24', except: [] }] }] }, 'outside'],
  ['except full', 'ingress', { ...endpoint, ingress: [{ fromCIDRSet: [{ cidr: '203.0.113.0/24', except: ['203.0.113.7/32'] }] }] }, NONE],
];

describe('absent and empty fields of a NetworkPolicy', () => {
  for (const [what, direction, spec, expected] of NETWORK_POLICY) {
    test(what, () => assert.equal(passing(networkPolicyOf(spec), direction), expected));
  }
});

describe('absent and empty fields of a CiliumNetworkPolicy', () => {
  for (const [what, direction, spec, expected] of CILIUM) {
    test(what, () => assert.equal(passing(ciliumPolicyOf(spec), direction), expected));
  }

  test('specs empty selects nobody', () => {
    const { change } = compileAll([...WORLD, { ...ciliumPolicyOf(undefined), specs: [] }]);
    assert.deepEqual(
      change.diagnostics?.map(({ code, path }) => [code, path]),
      [['InvalidPolicy', ['spec']]],
    );
    assert.equal(passing({ ...ciliumPolicyOf(undefined), specs: [] }, 'ingress'), ALL);
  });
});

describe('what a clusterwide policy means by an empty selector', () => {
  test('as a subject: all of all namespaces', () =>
    assert.equal(passing(clusterwidePolicyOf({ endpointSelector: {}, ingress: [{}] }), 'ingress'), NONE));
  test('as a peer: pods of all namespaces', () => {
    assert.equal(passing(clusterwidePolicyOf({ ...endpoint, ingress: [{ fromEndpoints: [{}] }] }), 'ingress'), 'near80 near81 far ping');
  });
});
