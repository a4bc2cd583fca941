import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath, IP_PROTOCOLS } from '../model/index.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

// Policies that are wrong, or need what is not enforced yet, beside one that lets everybody reach the pods `web` and `near`: what they
// select must be no more open than they meant, and what they do not select must not notice.

const WORLD = [
  namespace('default'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  node('node-1', '192.168.56.11', '10.244.1.0/24'),
  pod('web', '10.244.0.2', { app: 'web', tier: 'front' }),
  pod('near', '10.244.0.3', { app: 'near', tier: 'front' }),
];
const HOSTS = hostsOf(WORLD);
const PORTS = {
  'web in': ['203.0.113.7', '10.244.0.2'],
  'web out': ['10.244.0.2', '203.0.113.7'],
  'near in': ['203.0.113.7', '10.244.0.3'],
};

/** Which of three pass at port 80, and what was found, as `code path`. */
function outcome(...policies: unknown[]): { readonly passing: readonly string[]; readonly found: readonly string[] } {
  const { compiled, change } = compileAll([...WORLD, ...policies]);
  const passing = Object.entries(PORTS).filter(
    ([, [from = '', to = '']]) => compiled.judge(from, to, IP_PROTOCOLS.TCP, 80, HOSTS) === 'allow',
  );
  const found = (change.diagnostics ?? []).map(({ code, path }) => `${code} ${formatPath(path)}`);
  return { passing: passing.map(([name]) => name), found };
}

type Case = readonly [what: string, spec: unknown, passing: readonly string[], found: readonly string[]];

const web = { podSelector: { matchLabels: { app: 'web' } } };
const OUT = ['web out', 'near in'];
const IN = ['web in', 'near in'];
const NEAR = ['near in'];

const NETWORK_POLICY: readonly Case[] = [
  ['a spec that is no mapping', 'x', [], ['InvalidPolicy spec']],
  ['an unknown field isolates both ways', { ...web, egres: [] }, NEAR, ['InvalidPolicy spec']],
  ['an unknown field in a rule', { ...web, ingress: [{ form: [] }] }, OUT, ['InvalidPolicy spec.ingress[0]']],
  ['an unknown type isolates both ways', { ...web, policyTypes: ['egress'] }, NEAR, ['InvalidPolicy spec.policyTypes[0]']],
  [
    'a prefix that is none',
    { ...web, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].from[0].ipBlock.cidr'],
  ],
  [
    'an address without length',
    { ...web, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.1' } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].from[0].ipBlock.cidr'],
  ],
  [
    'an exception outside',
    { ...web, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].from[0].ipBlock.except[0]'],
  ],
  ['a peer of nothing', { ...web, ingress: [{ from: [{}] }] }, OUT, ['InvalidPolicy spec.ingress[0].from[0]']],
  [
    'a peer of too much',
    { ...web, ingress: [{ from: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].from[0].ipBlock'],
  ],
  ['endPort without port', { ...web, ingress: [{ ports: [{ endPort: 90 }] }] }, OUT, ['InvalidPolicy spec.ingress[0].ports[0].endPort']],
  [
    'endPort beside a name',
    { ...web, ingress: [{ ports: [{ port: 'http', endPort: 90 }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].ports[0].endPort'],
  ],
  [
    'endPort before port',
    { ...web, ingress: [{ ports: [{ port: 91, endPort: 90 }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].ports[0].endPort'],
  ],
  [
    'egress that is wrong, in types that name it only',
    { ...web, policyTypes: ['Egress'], egress: [{ to: [{}] }] },
    IN,
    ['InvalidPolicy spec.egress[0].to[0]'],
  ],
  [
    'one rule of two that is wrong takes the other with it',
    { ...web, ingress: [{}, { from: [{}] }] },
    OUT,
    ['InvalidPolicy spec.ingress[1].from[0]'],
  ],
  [
    'an operator that is none selects no less',
    { podSelector: { matchExpressions: [{ key: 'app', operator: 'Is', values: ['x'] }] } },
    ['web out'],
    ['InvalidPolicy spec.podSelector.matchExpressions[0].operator'],
  ],
  [
    'of a selector what can be read counts',
    { podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: [] }] } },
    OUT,
    ['InvalidPolicy spec.podSelector.matchExpressions[0].values'],
  ],
  [
    'values beside Exists',
    { podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists', values: ['x'] }] } },
    ['web out'],
    ['InvalidPolicy spec.podSelector.matchExpressions[0].values'],
  ],
];

const endpoint = { endpointSelector: { matchLabels: { app: 'web' } } };
const toAll = { fromEntities: ['all'] };

const CILIUM: readonly Case[] = [
  ['neither selector', { ingress: [{}] }, ['web in', 'web out', 'near in'], ['InvalidPolicy spec']],
  ['both selectors', { ...endpoint, nodeSelector: {}, ingress: [toAll] }, OUT, ['InvalidPolicy spec.nodeSelector']],
  ['an unknown field isolates both ways', { ...endpoint, ingres: [] }, NEAR, ['InvalidPolicy spec']],
  ['an unknown field in a rule', { ...endpoint, ingress: [{ fromEndpoint: [] }] }, OUT, ['InvalidPolicy spec.ingress[0]']],
  [
    'layer 7 in a denial',
    { ...endpoint, ingressDeny: [{ toPorts: [{ ports: [], rules: {} }] }] },
    OUT,
    ['InvalidPolicy spec.ingressDeny[0].toPorts[0]'],
  ],
  [
    'two sorts of peers',
    { ...endpoint, ingress: [{ ...toAll, fromCIDR: ['10.0.0.0/8'] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].fromEntities'],
  ],
  [
    'an entity that is none',
    { ...endpoint, ingress: [{ fromEntities: ['all', 'moon'] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].fromEntities[1]'],
  ],
  ['a prefix that is none', { ...endpoint, egress: [{ toCIDR: ['x'] }] }, IN, ['InvalidPolicy spec.egress[0].toCIDR[0]']],
  ['a set without prefix', { ...endpoint, egress: [{ toCIDRSet: [{}] }] }, IN, ['InvalidPolicy spec.egress[0].toCIDRSet[0]']],
  ['ports and ICMP', { ...endpoint, ingress: [{ toPorts: [{}], icmps: [{}] }] }, OUT, ['InvalidPolicy spec.ingress[0].icmps']],
  [
    'a port that is none',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '65536' }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports[0].port'],
  ],
  [
    'a protocol that is none',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'X' }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports[0].protocol'],
  ],
  [
    'a type of the other family',
    { ...endpoint, ingress: [{ icmps: [{ fields: [{ type: 'PacketTooBig' }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].icmps[0].fields[0].type'],
  ],
  [
    'more ports than 40',
    { ...endpoint, ingress: [{ toPorts: [{ ports: Array.from({ length: 41 }, (_, index) => ({ port: String(index + 1) })) }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports'],
  ],
  [
    'more types of ICMP than 40',
    { ...endpoint, egress: [{ icmps: [{ fields: Array.from({ length: 41 }, (_, type) => ({ type })) }] }] },
    IN,
    ['InvalidPolicy spec.egress[0].icmps[0].fields'],
  ],
  ['rules that are no list', { ...endpoint, ingress: 'x' }, OUT, ['InvalidPolicy spec.ingress']],
  [
    'a type of ICMP that is none',
    { ...endpoint, ingress: [{ icmps: [{ fields: [{ type: '256' }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].icmps[0].fields[0].type'],
  ],
  [
    'a range that ends before it begins',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '81', endPort: 80 }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports[0].endPort'],
  ],
  [
    'an end of a range beside a name',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: 'http', endPort: 80 }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports[0].endPort'],
  ],
  [
    'an exception outside',
    { ...endpoint, ingress: [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].fromCIDRSet[0].except[0]'],
  ],
  [
    'a prefix and a group of prefixes',
    { ...endpoint, ingress: [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', cidrGroupRef: 'a' }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].fromCIDRSet[0]'],
  ],
  ['a service of nothing', { ...endpoint, egress: [{ toServices: [{}] }] }, IN, ['InvalidPolicy spec.egress[0].toServices[0]']],
  [
    'a service without name',
    { ...endpoint, egress: [{ toServices: [{ k8sService: { namespace: 'a' } }] }] },
    IN,
    ['InvalidPolicy spec.egress[0].toServices[0].k8sService.serviceName'],
  ],
  [
    'an operator without values',
    { ...endpoint, ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].fromEndpoints[0].matchExpressions[0].values'],
  ],
  [
    'services with ports',
    { ...endpoint, egress: [{ toServices: [{ k8sService: { serviceName: 'a' } }], toPorts: [{}] }] },
    IN,
    ['InvalidPolicy spec.egress[0].toPorts'],
  ],
  [
    'a denial that is wrong denies all',
    { ...endpoint, ingressDeny: [{ fromCIDR: ['10.0.0.0/33'] }] },
    OUT,
    ['InvalidPolicy spec.ingressDeny[0].fromCIDR[0]'],
  ],
  [
    'a denial that is wrong and does not isolate denies all',
    { ...endpoint, ingressDeny: [{ fromCIDR: ['x'] }], enableDefaultDeny: { ingress: false } },
    OUT,
    ['InvalidPolicy spec.ingressDeny[0].fromCIDR[0]'],
  ],
  [
    'one that is wrong and does not isolate',
    { ...endpoint, ingress: [{ fromCIDR: ['x'] }], enableDefaultDeny: { ingress: false } },
    ['web in', 'web out', 'near in'],
    ['InvalidPolicy spec.ingress[0].fromCIDR[0]'],
  ],
];

const needing = (more: object) => ({ toPorts: [{ ports: [{ port: '80' }], ...more }] });
const secret = { secret: { name: 'a' } };

const NOT_ENFORCED: readonly Case[] = [
  [
    'rules for Kafka',
    { ...endpoint, ingress: [needing({ rules: { kafka: [{}] } })] },
    OUT,
    ['NeedsLayer7 spec.ingress[0].toPorts[0].rules.kafka'],
  ],
  ['rules for DNS', { ...endpoint, egress: [needing({ rules: { dns: [{}] } })] }, IN, ['NeedsLayer7 spec.egress[0].toPorts[0].rules.dns']],
  [
    'rules for another protocol',
    { ...endpoint, ingress: [needing({ rules: { l7proto: 'a', l7: [{}] } })] },
    OUT,
    ['NeedsLayer7 spec.ingress[0].toPorts[0].rules.l7', 'NeedsLayer7 spec.ingress[0].toPorts[0].rules.l7proto'],
  ],
  ['a listener', { ...endpoint, egress: [needing({ listener: { name: 'a' } })] }, IN, ['NeedsLayer7 spec.egress[0].toPorts[0].listener']],
  [
    'TLS',
    { ...endpoint, ingress: [needing({ terminatingTLS: secret, originatingTLS: secret })] },
    OUT,
    ['NeedsLayer7 spec.ingress[0].toPorts[0].originatingTLS', 'NeedsLayer7 spec.ingress[0].toPorts[0].terminatingTLS'],
  ],
  [
    'TLS with names and requests',
    { ...endpoint, egress: [needing({ terminatingTLS: secret, serverNames: ['a.example'], rules: { http: [{}] } })] },
    IN,
    ['NeedsLayer7 spec.egress[0].toPorts[0].terminatingTLS'],
  ],
  [
    'TLS beside a rule without: that one allows',
    { ...endpoint, ingress: [needing({ terminatingTLS: secret }), toAll] },
    ['web in', 'web out', 'near in'],
    ['NeedsLayer7 spec.ingress[0].toPorts[0].terminatingTLS'],
  ],
  ['names', { ...endpoint, egress: [{ toFQDNs: [{ matchName: 'a.example' }] }] }, IN, ['PeerNotEnforced spec.egress[0].toFQDNs']],
  ['groups', { ...endpoint, egress: [{ toGroups: [{ aws: {} }] }] }, IN, ['PeerNotEnforced spec.egress[0].toGroups']],
  [
    'a group of prefixes',
    { ...endpoint, ingress: [{ fromCIDRSet: [{ cidrGroupRef: 'a' }] }] },
    OUT,
    ['PeerNotEnforced spec.ingress[0].fromCIDRSet[0].cidrGroupRef'],
  ],
  ['nodes', { ...endpoint, ingress: [{ fromNodes: [{}] }] }, OUT, ['PeerNotEnforced spec.ingress[0].fromNodes']],
  [
    'a denial of groups denies all that may be of one',
    { ...endpoint, ingress: [toAll], ingressDeny: [{ fromGroups: [{ aws: {} }] }] },
    OUT,
    ['PeerNotEnforced spec.ingressDeny[0].fromGroups'],
  ],
  [
    'a denial of a group of prefixes denies all that may be of one',
    { ...endpoint, egress: [{ toEntities: ['all'] }], egressDeny: [{ toCIDRSet: [{ cidrGroupRef: 'a' }] }] },
    IN,
    ['PeerNotEnforced spec.egressDeny[0].toCIDRSet[0].cidrGroupRef'],
  ],
  [
    'a denial of nodes denies no others',
    { ...endpoint, ingress: [toAll], ingressDeny: [{ fromNodes: [{}] }] },
    ['web in', 'web out', 'near in'],
    ['PeerNotEnforced spec.ingressDeny[0].fromNodes'],
  ],
  ['requirements', { ...endpoint, ingress: [{ ...toAll, fromRequires: [{}] }] }, OUT, ['PeerNotEnforced spec.ingress[0].fromRequires']],
  [
    'authentication',
    { ...endpoint, ingress: [{ ...toAll, authentication: { mode: 'required' } }] },
    OUT,
    ['AuthenticationNotEnforced spec.ingress[0].authentication'],
  ],
  [
    'no authentication',
    { ...endpoint, ingress: [{ ...toAll, authentication: { mode: 'disabled' } }] },
    ['web in', 'web out', 'near in'],
    [],
  ],
];

const openPolicy = ciliumPolicyOf(
  {
    endpointSelector: {},
    ingress: [{ fromEntities: ['world'] }],
    egress: [{ toEntities: ['world'] }],
    enableDefaultDeny: { ingress: false, egress: false },
  },
  'open',
);

function describeCases(what: string, cases: readonly Case[], policyOf: (spec: unknown) => unknown): void {
  describe(what, () => {
    for (const [name, spec, passing, found] of cases) {
      test(name, () => assert.deepEqual(outcome(policyOf(spec)), { passing, found }));
    }
  });
}

const LAYER7: readonly Case[] = [
  [
    'rules of two kinds',
    { ...endpoint, ingress: [needing({ rules: { http: [{}], kafka: [{}] } })] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].rules.kafka', 'NeedsLayer7 spec.ingress[0].toPorts[0].rules.kafka'],
  ],
  [
    'rules of no known kind',
    { ...endpoint, ingress: [needing({ rules: { smtp: [{}] } })] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].rules'],
  ],
  [
    'requests of another protocol than TCP',
    { ...endpoint, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'UDP' }], rules: { http: [{}] } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports[0].protocol'],
  ],
  [
    'requests and server names without a certificate',
    { ...endpoint, egress: [needing({ serverNames: ['a.example'], rules: { http: [{}] } })] },
    IN,
    ['InvalidPolicy spec.egress[0].toPorts[0].serverNames'],
  ],
  [
    'a listener for what comes in',
    { ...endpoint, ingress: [needing({ listener: { name: 'a' } })] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].listener', 'NeedsLayer7 spec.ingress[0].toPorts[0].listener'],
  ],
  [
    'too many ports',
    { ...endpoint, ingress: [{ toPorts: [{ ports: Array.from({ length: 41 }, () => ({ port: '80' })), rules: { http: [{}] } }] }] },
    OUT,
    ['InvalidPolicy spec.ingress[0].toPorts[0].ports'],
  ],
  [
    'layer 7 in a denial',
    { ...endpoint, ingressDeny: [needing({ rules: { http: [{}] } })] },
    OUT,
    ['InvalidPolicy spec.ingressDeny[0].toPorts[0]'],
  ],
];

describeCases('layer 7 that is wrong takes its policy with it', LAYER7, (spec) => ciliumPolicyOf(spec));
describeCases('a NetworkPolicy that is wrong', NETWORK_POLICY, (spec) => networkPolicyOf(spec));
describeCases('a CiliumNetworkPolicy that is wrong', CILIUM, (spec) => ciliumPolicyOf(spec));
describeCases('rules that are not enforced yet', NOT_ENFORCED, (spec) => ciliumPolicyOf(spec));

describe('beside a policy that is right', () => {
  test('a wrong one does not take from what that allows', () => {
    const { passing } = outcome(openPolicy, networkPolicyOf({ ...web, ingress: [{ from: [{}] }] }));
    assert.deepEqual(passing, ['web in', 'web out', 'near in']);
  });
  test('a wrong denial closes its direction, and no other', () => {
    const { passing } = outcome(openPolicy, ciliumPolicyOf({ ...endpoint, ingressDeny: [{ fromCIDR: ['x'] }] }));
    assert.deepEqual(passing, OUT);
  });
  test('of several rule sets one that is wrong takes all of its policy with it', () => {
    const right = { endpointSelector: { matchLabels: { app: 'near' } }, ingress: [toAll] };
    const { passing, found } = outcome({ ...ciliumPolicyOf(undefined), specs: [right, { ...endpoint, egress: [{ toCIDR: ['x'] }] }] });
    assert.deepEqual({ passing, found }, { passing: ['web in'], found: ['InvalidPolicy specs[1].egress[0].toCIDR[0]'] });
  });
});

test('a policy of nodes is told about, and selects no pods', () => {
  const { passing, found } = outcome(clusterwidePolicyOf({ nodeSelector: {}, ingress: [{}] }));
  assert.deepEqual({ passing, found }, { passing: ['web in', 'web out', 'near in'], found: ['HostPolicyNotEnforced spec.nodeSelector'] });
});

test('an endpointSelector that names another namespace selects in its own', () => {
  const endpointSelector = { matchLabels: { app: 'web', 'k8s:io.kubernetes.pod.namespace': 'elsewhere' } };
  const { passing, found } = outcome(ciliumPolicyOf({ endpointSelector, ingress: [{}] }));
  assert.deepEqual({ passing, found }, { passing: OUT, found: ['NamespaceIgnored spec.endpointSelector'] });
});

test('a pod of the host network that is selected is told about', () => {
  const agent = pod('agent', '192.168.56.10', { app: 'web' }, { spec: { hostNetwork: true } });
  assert.deepEqual(outcome(agent, networkPolicyOf(web)).found, ['HostNetworkNotEnforced ']);
  assert.deepEqual(outcome(agent, networkPolicyOf({ podSelector: { matchLabels: { app: 'near' } } })).found, []);
});
