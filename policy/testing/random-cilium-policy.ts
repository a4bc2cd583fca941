import fc from 'fast-check';
import type { PlainObject } from '../oracle/objects.ts';
import { changingRule, demandingRule, layer7 } from './random-layer7.ts';
import { block, NAMESPACES, PORTS, selector } from './vocabulary.ts';

const endpoints = fc.oneof(
  { weight: 3, arbitrary: selector(['app', 'k8s:tier', 'any:app', 'statefulset.kubernetes.io/pod-name'], ['a', 'b', 'c']) },
  { weight: 1, arbitrary: selector(['k8s:io.kubernetes.pod.namespace', 'any:io.kubernetes.pod.namespace', 'app'], ['red', 'blue', 'a']) },
  { weight: 1, arbitrary: selector(['k8s:io.cilium.k8s.namespace.labels.team', 'app'], ['one', 'two', 'a']) },
  { weight: 1, arbitrary: selector(['io.cilium.k8s.policy.serviceaccount', 'io.cilium.k8s.policy.cluster'], ['robot', 'default']) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('reserved:host', 'reserved:world', 'reserved:remote-node').map((key) => ({ matchLabels: { [key]: '' } })),
  },
);

const entity = fc.constantFrom(
  ...(['all', 'none', 'cluster', 'world', 'world-ipv4', 'world-ipv6', 'host', 'remote-node'] as const),
  ...(['unmanaged', 'init', 'health', 'ingress', 'kube-apiserver'] as const),
);

const service = fc.oneof(
  fc
    .record({ serviceName: fc.constantFrom('app', 'given'), namespace: fc.constantFrom('red', 'blue', undefined) })
    .map((k8sService) => ({ k8sService })),
  fc
    .record({ selector: selector(['sort'], ['pods', 'given']), namespace: fc.constantFrom('red', undefined) })
    .map((k8sServiceSelector) => ({ k8sServiceSelector })),
);

function listOf<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.oneof({ weight: 6, arbitrary: fc.array(item, { minLength: 1, maxLength: 2 }) }, { weight: 1, arbitrary: fc.constant<T[]>([]) });
}

/** At most one member that names peers has items. */
function peers(prefix: 'from' | 'to'): fc.Arbitrary<object> {
  const members: fc.Arbitrary<object>[] = [
    fc.constant({}),
    listOf(endpoints).map((items) => ({ [`${prefix}Endpoints`]: items })),
    listOf(block.map(({ cidr }) => cidr)).map((items) => ({ [`${prefix}CIDR`]: items })),
    listOf(block).map((items) => ({ [`${prefix}CIDRSet`]: items })),
    listOf(entity).map((items) => ({ [`${prefix}Entities`]: items })),
  ];
  return fc.oneof(...members);
}

const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP', 'udp', 'ANY', '', undefined);

const port = fc.oneof(
  fc.record({ port: fc.constantFrom(...PORTS.map(String), '0', 'web', 'dns'), protocol }),
  fc.tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS), protocol).map(([a, b, name]) => ({
    port: String(Math.min(a, b)),
    endPort: Math.max(a, b),
    protocol: name,
  })),
);

const portRule = fc.record({ ports: listOf(port) });

const tcpPortRule = fc.record({
  ports: listOf(
    fc.oneof(
      fc.record({ port: fc.constantFrom(...PORTS.map(String), '0', 'web'), protocol: fc.constantFrom('TCP', 'tcp', 'ANY', '', undefined) }),
      fc.tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS)).map(([a, b]) => ({
        port: String(Math.min(a, b)),
        endPort: Math.max(a, b),
        protocol: 'TCP',
      })),
    ),
  ),
});

const asking = fc.tuple(tcpPortRule, layer7).map(([rule, asked]) => ({ ...rule, ...asked }));

const portRuleOfAllowing = fc.oneof({ weight: 8, arbitrary: portRule }, { weight: 1, arbitrary: asking });

const icmpField = fc.oneof(
  fc.record({ type: fc.constantFrom<number | string>(8, '8', 'EchoRequest', 0) }),
  fc.record({ family: fc.constant('IPv6'), type: fc.constantFrom<number | string>(128, 'EchoRequest', 'EchoReply') }),
);

function ports(rule: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    { weight: 4, arbitrary: listOf(rule).map((toPorts) => ({ toPorts })) },
    { weight: 1, arbitrary: listOf(fc.record({ fields: listOf(icmpField) })).map((icmps) => ({ icmps })) },
  );
}

function rules(direction: 'ingress' | 'egress', allows: boolean): fc.Arbitrary<object[] | undefined> {
  const selective = fc
    .tuple(peers(direction === 'ingress' ? 'from' : 'to'), ports(allows ? portRuleOfAllowing : portRule))
    .map(([who, what]) => ({ ...who, ...what }));
  const rule =
    direction === 'ingress'
      ? selective
      : fc.oneof({ weight: 6, arbitrary: selective }, { weight: 1, arbitrary: listOf(service).map((toServices) => ({ toServices })) });
  const list = fc.array(rule, { maxLength: 2 });
  return allows ? fc.option(list, { nil: undefined, freq: 3 }) : fc.option(list, { nil: undefined, freq: 2 });
}

const enabled = fc.constantFrom(undefined, undefined, undefined, true, false);

const subject = fc.oneof(
  { weight: 6, arbitrary: selector(['app', 'k8s:tier', 'any:app'], ['a', 'b', 'c']) },
  { weight: 1, arbitrary: selector(['k8s:io.cilium.k8s.namespace.labels.team', 'app'], ['one', 'two', 'a']) },
  { weight: 1, arbitrary: selector(['io.cilium.k8s.policy.serviceaccount', 'app'], ['robot', 'default', 'a']) },
);

const spec = fc.record({
  endpointSelector: subject,
  ingress: rules('ingress', true),
  ingressDeny: rules('ingress', false),
  egress: rules('egress', true),
  egressDeny: rules('egress', false),
  enableDefaultDeny: fc.option(fc.record({ ingress: enabled, egress: enabled }), { nil: undefined, freq: 2 }),
});

/** Rules that meet: few subjects and peers, and most ports ask for something. */
function denseRules(direction: 'ingress' | 'egress'): fc.Arbitrary<object[] | undefined> {
  const prefix = direction === 'ingress' ? 'from' : 'to';
  const who = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom({}, { [`${prefix}Entities`]: ['all'] }, { [`${prefix}Endpoints`]: [{}] }) },
    { weight: 1, arbitrary: peers(prefix) },
  );
  const toPorts = fc.array(fc.oneof({ weight: 3, arbitrary: asking }, { weight: 1, arbitrary: portRule }), { minLength: 1, maxLength: 2 });
  const rule = fc.tuple(who, toPorts).map(([peersOf, items]) => ({ ...peersOf, toPorts: items }));
  return fc.option(fc.array(rule, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 3 });
}

const denseSpec = fc.record({
  endpointSelector: fc.constantFrom({}, {}, { matchLabels: { app: 'a' } }, { matchExpressions: [{ key: 'app', operator: 'Exists' }] }),
  ingress: denseRules('ingress'),
  egress: denseRules('egress'),
  ingressDeny: fc.option(rules('ingress', false), { nil: undefined, freq: 1 }),
  enableDefaultDeny: fc.option(fc.record({ ingress: enabled, egress: enabled }), { nil: undefined, freq: 1 }),
});

function specsOf(one: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc.oneof(
    { weight: 4, arbitrary: one.map((only) => ({ spec: only })) },
    { weight: 1, arbitrary: fc.array(one, { minLength: 1, maxLength: 2 }).map((several) => ({ specs: several })) },
    { weight: 1, arbitrary: fc.record({ spec: one, specs: fc.array(one, { maxLength: 2 }) }) },
  );
}

const named = { apiVersion: 'cilium.io/v2', metadata: { name: 'policy' } } as const;

function namespaced(one: fc.Arbitrary<object>): fc.Arbitrary<PlainObject> {
  return fc.tuple(fc.constantFrom(...NAMESPACES), specsOf(one)).map(([namespace, content]) => ({
    ...named,
    kind: 'CiliumNetworkPolicy',
    metadata: { ...named.metadata, namespace },
    ...content,
  }));
}

function clusterwide(one: fc.Arbitrary<object>): fc.Arbitrary<PlainObject> {
  return specsOf(one).map((content) => ({ ...named, kind: 'CiliumClusterwideNetworkPolicy', ...content }));
}

/** A CiliumNetworkPolicy that is right; lists are absent, empty or full. Few rules need layer 7. */
export const ciliumPolicy = namespaced(spec);
export const clusterwidePolicy = clusterwide(spec);

/** Of either kind; most rules need layer 7, and meet others at their ports. */
export const layer7Policy = fc.oneof({ weight: 3, arbitrary: namespaced(denseSpec) }, { weight: 1, arbitrary: clusterwide(denseSpec) });

function everywhere(member: 'fromEntities' | 'toEntities', rule: fc.Arbitrary<object>): fc.Arbitrary<object[]> {
  const ports = [{ port: '1', endPort: 65_535, protocol: 'TCP' }];
  return fc.array(rule, { minLength: 1, maxLength: 2 }).map((http) => [{ [member]: ['all'], toPorts: [{ ports, rules: { http } }] }]);
}

/** Of both ends of connections: senders' rules change headers, and receivers' rules ask for them. */
export const changingPolicy = clusterwide(
  fc.record({
    endpointSelector: fc.constant({}),
    egress: everywhere('toEntities', changingRule),
    ingress: everywhere('fromEntities', demandingRule),
  }),
);
