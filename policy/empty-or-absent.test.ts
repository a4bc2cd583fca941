import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileAll } from './testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, networkPolicyOf } from './testing/manifests.ts';
import { NEIGHBOURHOOD, passing } from './testing/neighbourhood.ts';

// What an absent, an empty and a full list of each field mean. A word for each of: a neighbour's packet to port 80, one to port 81, one of a pod
// of another namespace, and one from outside, all towards the pod `web`; or of `web` towards these, for rules for what goes out.

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
  [
    'peer namespaceSelector of an empty matchLabels: of all',
    'ingress',
    { ...web, ingress: [{ from: [{ namespaceSelector: { matchLabels: {} } }] }] },
    'near80 near81 far ping',
  ],
  [
    'peer namespaceSelector of empty matchExpressions: of all',
    'ingress',
    { ...web, ingress: [{ from: [{ namespaceSelector: { matchExpressions: [] } }] }] },
    'near80 near81 far ping',
  ],
  ['values empty beside Exists', 'ingress', { podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists', values: [] }] } }, NONE],
  ['policyTypes of both, ingress absent', 'ingress', { ...web, policyTypes: ['Ingress', 'Egress'], egress: [{}] }, NONE],
  ['policyTypes of both, egress absent', 'egress', { ...web, policyTypes: ['Ingress', 'Egress'], ingress: [{}] }, NONE],
  ['policyTypes Ingress: egress not, whatever its rules', 'egress', { ...web, policyTypes: ['Ingress'], egress: [{ to: [near] }] }, ALL],
  ['ports empty is all, egress', 'egress', { ...web, egress: [{ to: [near], ports: [] }] }, 'near80 near81 ping'],
  ['ports full, egress', 'egress', { ...web, egress: [{ to: [near], ports: [{ port: 80 }] }] }, 'near80'],
  ['ports alone', 'egress', { ...web, egress: [{ ports: [{ port: 80 }] }] }, 'near80 far outside'],
  ['from and ports empty', 'ingress', { ...web, ingress: [{ from: [], ports: [] }] }, ALL],
  ['from empty, ports full', 'ingress', { ...web, ingress: [{ from: [], ports: [{ port: 80 }] }] }, 'near80 far outside'],
  ['except absent', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }] }, 'outside'],
  ['except empty', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: [] } }] }] }, 'outside'],
  ['except full', 'ingress', { ...web, ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.0/25'] } }] }] }, NONE],
];

const endpoint = { endpointSelector: { matchLabels: { app: 'web' } } };
const fromNear = { fromEndpoints: [{ matchLabels: { app: 'near' } }] };
const on80 = { toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] };
const notIsolating = { enableDefaultDeny: { ingress: false, egress: false } };

const CILIUM: readonly Case[] = [
  ['matchLabels empty selects all', 'ingress', { endpointSelector: { matchLabels: {} }, ingress: [{}] }, NONE],
  ['matchExpressions empty selects all', 'ingress', { endpointSelector: { matchExpressions: [] }, ingress: [{}] }, NONE],
  [
    'enableDefaultDeny of the other direction',
    'ingress',
    { ...endpoint, ingress: [fromNear], enableDefaultDeny: { egress: false } },
    'near80 near81 ping',
  ],
  ['enableDefaultDeny true, egress', 'egress', { ...endpoint, enableDefaultDeny: { egress: true } }, NONE],
  [
    'enableDefaultDeny absent, egress',
    'egress',
    { ...endpoint, egress: [{ toEndpoints: [{ matchLabels: { app: 'near' } }] }] },
    'near80 near81 ping',
  ],
  ['toRequires empty asks for nothing', 'egress', { ...endpoint, egress: [{ toEntities: ['world'], toRequires: [] }] }, 'outside'],
  ['toEndpoints of an empty selector', 'egress', { ...endpoint, egress: [{ toEndpoints: [{}] }] }, 'near80 near81 ping'],
  ['toEndpoints absent, with ports', 'egress', { ...endpoint, egress: [on80] }, 'near80 far outside'],
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
    'rules of a kind without any ask for nothing',
    'ingress',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { http: [] } }] }] },
    'near80 far outside',
  ],
  [
    'rules of a kind that is not enforced, without any, ask for nothing',
    'ingress',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { kafka: [] } }] }] },
    'near80 far outside',
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

/** Beside a rule that allows everything: what a denial says of nobody or of nothing denies nothing. */
const DENYING: readonly Case[] = [
  ['a rule that is empty', 'ingress', {}, ALL],
  ['fromEndpoints empty', 'ingress', { fromEndpoints: [] }, ALL],
  ['fromEndpoints of an empty selector', 'ingress', { fromEndpoints: [{}] }, 'far outside'],
  ['fromEndpoints full', 'ingress', fromNear, 'far outside'],
  ['fromEndpoints empty, with ports', 'ingress', { fromEndpoints: [], ...on80 }, ALL],
  ['fromCIDR empty', 'ingress', { fromCIDR: [], ...on80 }, ALL],
  ['fromCIDR full', 'ingress', { fromCIDR: ['203.0.113.0/24'] }, 'near80 near81 far ping'],
  ['fromCIDRSet empty', 'ingress', { fromCIDRSet: [], ...on80 }, ALL],
  ['except absent', 'ingress', { fromCIDRSet: [{ cidr: '203.0.113.0/24' }] }, 'near80 near81 far ping'],
  ['except empty', 'ingress', { fromCIDRSet: [{ cidr: '203.0.113.0/24', except: [] }] }, 'near80 near81 far ping'],
  ['except full', 'ingress', { fromCIDRSet: [{ cidr: '203.0.113.0/24', except: ['203.0.113.7/32'] }] }, ALL],
  ['fromEntities empty', 'ingress', { fromEntities: [], ...on80 }, ALL],
  ['fromEntities none', 'ingress', { fromEntities: ['none'] }, ALL],
  ['fromEntities all', 'ingress', { fromEntities: ['all'] }, NONE],
  ['fromNodes empty', 'ingress', { fromNodes: [], ...on80 }, ALL],
  ['fromGroups empty', 'ingress', { fromGroups: [], ...on80 }, ALL],
  ['fromRequires empty', 'ingress', { fromRequires: [] }, ALL],
  ['ports alone', 'ingress', on80, 'near81 ping'],
  ['toPorts empty is all', 'ingress', { ...fromNear, toPorts: [] }, 'far outside'],
  ['ports absent is none', 'ingress', { ...fromNear, toPorts: [{}] }, ALL],
  ['ports empty is none', 'ingress', { ...fromNear, toPorts: [{ ports: [] }] }, ALL],
  ['icmps empty is all', 'ingress', { ...fromNear, icmps: [] }, 'far outside'],
  ['fields absent is none', 'ingress', { ...fromNear, icmps: [{}] }, ALL],
  ['fields empty is none', 'ingress', { ...fromNear, icmps: [{ fields: [] }] }, ALL],
  ['fields full', 'ingress', { ...fromNear, icmps: [{ fields: [{ type: 8 }] }] }, 'near80 near81 far outside'],
  ['a rule that is empty', 'egress', {}, ALL],
  ['toEndpoints empty', 'egress', { toEndpoints: [], ...on80 }, ALL],
  ['toEndpoints of an empty selector', 'egress', { toEndpoints: [{}] }, 'far outside'],
  ['toCIDR empty', 'egress', { toCIDR: [], ...on80 }, ALL],
  ['toCIDRSet empty', 'egress', { toCIDRSet: [], ...on80 }, ALL],
  ['toEntities empty', 'egress', { toEntities: [], ...on80 }, ALL],
  ['toServices empty', 'egress', { toServices: [] }, ALL],
  ['toNodes empty', 'egress', { toNodes: [], ...on80 }, ALL],
  ['toGroups empty', 'egress', { toGroups: [], ...on80 }, ALL],
  ['toRequires empty', 'egress', { toRequires: [] }, ALL],
];

/** What a clusterwide policy means otherwise: an empty selector of peers has pods of all namespaces. */
const CLUSTERWIDE: ReadonlyMap<string, string> = new Map([
  ['fromEndpoints of an empty selector', 'near80 near81 far ping'],
  ['toEndpoints of an empty selector', 'near80 near81 far ping'],
]);
const CLUSTERWIDE_DENYING: ReadonlyMap<string, string> = new Map([
  ['fromEndpoints of an empty selector', 'outside'],
  ['toEndpoints of an empty selector', 'outside'],
]);

function allButDenied(direction: 'ingress' | 'egress', rule: object): object {
  const everybody = direction === 'ingress' ? { fromEntities: ['all'] } : { toEntities: ['all'] };
  return { ...endpoint, [direction]: [everybody], [`${direction}Deny`]: [rule] };
}

describe('absent and empty fields of a NetworkPolicy', () => {
  for (const [what, direction, spec, expected] of NETWORK_POLICY) {
    test(what, () => assert.equal(passing([networkPolicyOf(spec)], direction), expected));
  }
});

describe('absent and empty fields of a denial', () => {
  for (const [what, direction, rule, expected] of DENYING) {
    const spec = allButDenied(direction, rule);
    test(`${direction}, ${what}`, () => assert.equal(passing([ciliumPolicyOf(spec)], direction), expected));
    const clusterwide = CLUSTERWIDE_DENYING.get(what) ?? expected;
    test(`${direction}, ${what}, clusterwide`, () => assert.equal(passing([clusterwidePolicyOf(spec)], direction), clusterwide));
  }
});

describe('absent and empty fields of a CiliumClusterwideNetworkPolicy', () => {
  for (const [what, direction, spec, expected] of CILIUM) {
    const clusterwide = CLUSTERWIDE.get(what) ?? expected;
    test(what, () => assert.equal(passing([clusterwidePolicyOf(spec)], direction), clusterwide));
  }
});

describe('absent and empty fields of a CiliumNetworkPolicy', () => {
  for (const [what, direction, spec, expected] of CILIUM) {
    test(what, () => assert.equal(passing([ciliumPolicyOf(spec)], direction), expected));
  }

  test('specs empty selects nobody', () => {
    const { change } = compileAll([...NEIGHBOURHOOD, { ...ciliumPolicyOf(undefined), specs: [] }]);
    assert.deepEqual(
      change.diagnostics?.map(({ code, path }) => [code, path]),
      [['InvalidPolicy', ['spec']]],
    );
    assert.equal(passing([{ ...ciliumPolicyOf(undefined), specs: [] }], 'ingress'), ALL);
  });
});

describe('what a clusterwide policy means by an empty selector', () => {
  test('as a subject: all of all namespaces', () =>
    assert.equal(passing([clusterwidePolicyOf({ endpointSelector: {}, ingress: [{}] })], 'ingress'), NONE));
  test('as a peer: pods of all namespaces', () => {
    assert.equal(passing([clusterwidePolicyOf({ ...endpoint, ingress: [{ fromEndpoints: [{}] }] })], 'ingress'), 'near80 near81 far ping');
  });
});
