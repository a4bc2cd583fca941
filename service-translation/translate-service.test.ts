import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointSliceObject, serviceObject } from '../testkit/kube-objects.ts';
import { type TranslationNode, translateService, translateServices } from './index.ts';

const NODE: TranslationNode = { name: 'node-1', zone: 'north', clients: ['10.0.1.0/24', '192.0.2.1/32', 'fd00:1::/64'] };
const PORTS = [{ name: 'http', port: 80, nodePort: 30_080 }];

interface EndpointInput {
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

function sliceOf(endpoints: readonly EndpointInput[], content: object = {}) {
  return endpointSliceObject({
    ports: [{ name: 'http', port: 8080 }],
    endpoints: endpoints.map(({ node, zones, nodes, ...conditions }, index) => ({
      addresses: [`10.0.0.${index + 1}`],
      nodeName: node,
      conditions,
      hints: { forZones: zones?.map((name) => ({ name })), forNodes: nodes?.map((name) => ({ name })) },
    })),
    ...content,
  });
}

interface Case {
  readonly spec?: object;
  readonly endpoints?: readonly EndpointInput[];
  readonly node?: TranslationNode;
  readonly ingress?: readonly object[];
}

/** Each translation as a line, as one reads it. */
function lines({ spec, endpoints = [{}], node = NODE, ingress = [] }: Case) {
  const service = serviceObject({ clusterIP: '198.51.100.1', ports: PORTS, ...spec }, {}, { loadBalancer: { ingress } });
  const { translations, diagnostics } = translateService(service, [sliceOf(endpoints)], node);
  const found = translations.map(({ name, frontends, backends, draining, affinitySeconds, untranslated }) => {
    const from = frontends.map(({ address, port }) => `${address} ${port}`).join(', ');
    const to = backends.map(({ address, port }) => `${address} ${port}`).join(', ');
    const rest = [
      draining.length > 0 && `draining ${draining.map(({ address }) => address)}`,
      affinitySeconds > 0 && `${affinitySeconds} s`,
      untranslated,
    ];
    return [`${name}: ${from} to ${to || 'nobody'}`, ...rest].filter((part) => part).join('; ');
  });
  return { lines: found, codes: diagnostics.map(({ code }) => code) };
}

const NAME = 'default/web:80/TCP/IPv4';
const CLUSTER_IP = '198.51.100.1 80';

describe('frontends', () => {
  const cases: readonly { name: string; of: Case; expected: readonly string[]; codes?: readonly string[] }[] = [
    { name: 'a ClusterIP', of: {}, expected: [`${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080`] },
    { name: 'a headless Service has none', of: { spec: { clusterIP: 'None', externalIPs: ['203.0.113.1'] } }, expected: [] },
    { name: 'a Service of type ExternalName has none', of: { spec: { type: 'ExternalName', externalName: 'a.example' } }, expected: [] },
    {
      name: 'a node port of type ClusterIP is none',
      of: { spec: { type: 'ClusterIP' } },
      expected: [`${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080`],
    },
    { name: 'a NodePort', of: { spec: { type: 'NodePort' } }, expected: [`${NAME}: 0.0.0.0 30080, ${CLUSTER_IP} to 10.0.0.1 8080`] },
    {
      name: 'all of both families, each to its own',
      of: {
        spec: { type: 'LoadBalancer', clusterIPs: ['198.51.100.1', '2001:db8::1'], externalIPs: ['203.0.113.1', '2001:DB8:0::2'] },
        ingress: [
          { ip: '203.0.113.2' },
          { hostname: 'lb.example' },
          { ip: '203.0.113.3', ipMode: 'Proxy' },
          { ip: '2001:db8::3', ipMode: 'VIP' },
        ],
      },
      expected: [
        `${NAME}: 0.0.0.0 30080, ${CLUSTER_IP}, 203.0.113.1 80, 203.0.113.2 80 to 10.0.0.1 8080`,
        'default/web:80/TCP/IPv6: 2001:db8::1 80, 2001:db8::2 80, 2001:db8::3 80, :: 30080 to nobody',
      ],
    },
    {
      name: 'one of a family that it has no ClusterIP of is left out',
      of: { spec: { externalIPs: ['2001:db8::2'] } },
      expected: [`${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080`],
    },
    {
      name: 'what is no address of clients is left out',
      of: { spec: { externalIPs: ['127.0.0.1', 'nonsense', '203.0.113.1'] } },
      expected: [`${NAME}: ${CLUSTER_IP}, 203.0.113.1 80 to 10.0.0.1 8080`],
      codes: ['InvalidServiceAddress', 'InvalidServiceAddress'],
    },
    {
      name: 'SCTP is left',
      of: { spec: { ports: [{ port: 80, protocol: 'SCTP' }] } },
      expected: [`default/web:80/SCTP/IPv4: ${CLUSTER_IP} to nobody; protocol`],
      codes: ['ProtocolNotTranslated'],
    },
    {
      name: 'affinity with its timeout',
      of: { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 7 } } } },
      expected: [`${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080; 7 s`],
    },
    {
      name: 'affinity without one',
      of: { spec: { sessionAffinity: 'ClientIP' } },
      expected: [`${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080; 10800 s`],
    },
  ];
  for (const { name, of, expected, codes = [] } of cases) {
    test(name, () => {
      const result = lines(of);
      assert.deepEqual(result, { lines: expected, codes });
    });
  }
});

describe('loadBalancerSourceRanges', () => {
  const base = `${NAME}: ${CLUSTER_IP} to 10.0.0.1 8080`;
  const all = [`${NAME}: ${CLUSTER_IP}, 203.0.113.2 80 to 10.0.0.1 8080`];
  const none = [base, `${NAME}/refused: 203.0.113.2 80 to nobody`];
  const some = [base, `${NAME}/untranslated: 203.0.113.2 80 to nobody; source-ranges`];
  const cases: readonly {
    name: string;
    ranges: readonly string[];
    node?: TranslationNode;
    expected: readonly string[];
    codes?: readonly string[];
  }[] = [
    { name: 'of all clients', ranges: ['10.0.0.0/8', ' 192.0.2.0/24 '], expected: all },
    { name: 'of everybody', ranges: ['203.0.113.9/32', '0.0.0.0/0'], expected: all },
    { name: 'of the other family only', ranges: ['2001:db8::/32'], expected: all },
    { name: 'of nobody here', ranges: ['203.0.113.0/24'], expected: none },
    { name: 'of some clients', ranges: ['10.0.0.0/8'], expected: some, codes: ['SourceRangesNotDecided'] },
    { name: 'of a part of a prefix of clients', ranges: ['10.0.1.7/32'], expected: some, codes: ['SourceRangesNotDecided'] },
    {
      name: 'where clients are not known',
      ranges: ['203.0.113.0/24'],
      node: { name: 'node-1' },
      expected: some,
      codes: ['SourceRangesNotDecided'],
    },
    { name: 'that are none allow nobody', ranges: ['nonsense'], expected: none, codes: ['InvalidSourceRange'] },
  ];
  for (const { name, ranges, node = NODE, expected, codes = [] } of cases) {
    test(name, () => {
      const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ranges, ports: [{ name: 'http', port: 80 }] };
      assert.deepEqual(lines({ spec, node, ingress: [{ ip: '203.0.113.2' }] }), { lines: expected, codes });
    });
  }
});

describe('endpoints', () => {
  const local = { internalTrafficPolicy: 'Local' };
  const there = { node: 'node-2' };
  const here = { node: 'node-1' };
  const leaving = { ready: false, terminating: true };
  const cases: readonly {
    name: string;
    endpoints: readonly EndpointInput[];
    spec?: object;
    node?: TranslationNode;
    expected: readonly string[];
  }[] = [
    { name: 'that are ready', endpoints: [{}, { ready: false }, { ready: true }], expected: ['10.0.0.1 8080, 10.0.0.3 8080'] },
    {
      name: 'that terminate and serve, only where none is ready',
      endpoints: [leaving, { ...leaving, serving: false }, { ready: false }],
      expected: ['10.0.0.1 8080'],
    },
    { name: 'that drain beside ready ones', endpoints: [leaving, {}], expected: ['10.0.0.2 8080; draining 10.0.0.1'] },
    {
      name: 'that are ready though they terminate',
      endpoints: [{ ready: true, terminating: true }, leaving],
      expected: ['10.0.0.1 8080; draining 10.0.0.2'],
    },
    { name: 'of the node by internal policy', spec: local, endpoints: [here, there], expected: ['10.0.0.1 8080'] },
    { name: 'nowhere else by internal policy', spec: local, endpoints: [there], expected: ['nobody'] },
    {
      name: 'of the node that drain by internal policy',
      spec: local,
      endpoints: [{ ...here, ...leaving }, there],
      expected: ['10.0.0.1 8080'],
    },
    {
      name: 'of everywhere for what comes in from outside, by internal policy',
      spec: { ...local, type: 'NodePort' },
      endpoints: [here, there],
      expected: ['10.0.0.1 8080', '10.0.0.1 8080, 10.0.0.2 8080'],
    },
    {
      name: 'of everywhere whatever the external policy says: clients on the node are inside',
      spec: { type: 'NodePort', externalTrafficPolicy: 'Local' },
      endpoints: [here, there],
      expected: ['10.0.0.1 8080, 10.0.0.2 8080'],
    },
    { name: 'for the zone', endpoints: [{ zones: ['north'] }, { zones: ['south'] }], expected: ['10.0.0.1 8080'] },
    { name: 'of all zones where one has no hint', endpoints: [{ zones: ['north'] }, {}], expected: ['10.0.0.1 8080, 10.0.0.2 8080'] },
    { name: 'of all zones where none is for this one', endpoints: [{ zones: ['south'] }], expected: ['10.0.0.1 8080'] },
    {
      name: 'of all zones for a node without one',
      node: { name: 'node-1' },
      endpoints: [{ zones: ['south'] }, { zones: ['north'] }],
      expected: ['10.0.0.1 8080, 10.0.0.2 8080'],
    },
    {
      name: 'for the node before those for its zone',
      endpoints: [
        { zones: ['north'], nodes: ['node-1'] },
        { zones: ['north'], nodes: ['node-2'] },
      ],
      expected: ['10.0.0.1 8080'],
    },
    {
      name: 'for the zone where none is for the node',
      endpoints: [
        { zones: ['north'], nodes: ['node-2'] },
        { zones: ['south'], nodes: ['node-3'] },
      ],
      expected: ['10.0.0.1 8080'],
    },
    {
      name: 'of the node, hints or not, by internal policy',
      spec: local,
      endpoints: [
        { ...here, zones: ['south'] },
        { ...there, zones: ['north'] },
      ],
      expected: ['10.0.0.1 8080'],
    },
    { name: 'that drain, whatever their hints', endpoints: [{ ...leaving, zones: ['south'] }], expected: ['10.0.0.1 8080'] },
  ];
  for (const { name, endpoints, spec = {}, node = NODE, expected } of cases) {
    test(name, () => {
      const found = lines({ endpoints, spec, node });
      assert.deepEqual({ ...found, lines: found.lines.map((line) => line.split(' to ')[1]) }, { lines: expected, codes: [] });
    });
  }

  test('are of the port with the same name and protocol, and each once', () => {
    const service = serviceObject({
      clusterIP: '198.51.100.1',
      ports: [
        { name: 'http', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    });
    const ports = [
      { name: 'http', port: 8080 },
      { name: 'http', port: 9090, protocol: 'UDP' },
      { name: 'dns', port: 5353, protocol: 'UDP' },
      { name: 'http' },
    ];
    const slices = [
      sliceOf([{}, { ready: false }], { ports }),
      sliceOf([{ ready: false }, {}], { ports }),
      sliceOf([{}], { addressType: 'FQDN', ports }),
    ];
    const { translations } = translateService(service, slices, NODE);
    assert.deepEqual(
      translations.map(({ backends }) => backends.map(({ address, port }) => `${address} ${port}`)),
      [
        ['10.0.0.1 8080', '10.0.0.2 8080'],
        ['10.0.0.1 5353', '10.0.0.2 5353'],
      ],
    );
  });

  test('that nobody can connect to are left out', () => {
    const service = serviceObject({ clusterIP: '198.51.100.1', ports: PORTS });
    const endpoints = ['127.0.0.1', 'fd00::1', '10.0.0.1'].map((address) => ({ addresses: [address] }));
    const { translations, diagnostics } = translateService(service, [sliceOf([], { endpoints })], NODE);
    assert.deepEqual(translations[0]?.backends, [{ address: '10.0.0.1', port: 8080 }]);
    assert.deepEqual(
      diagnostics.map(({ code, path }) => [code, path]),
      [0, 1].map((index) => ['InvalidServiceEndpoint', ['endpoints', index, 'addresses', 0]]),
    );
  });
});

describe('an address that several Services have', () => {
  const service = (name: string, creationTimestamp: string, spec: object) =>
    serviceObject({ ports: [{ port: 80 }], ...spec }, { name, creationTimestamp });
  const old = '2026-01-01T00:00:00Z';
  const young = '2026-01-02T00:00:00Z';
  for (const { name, services, owner } of [
    {
      name: 'is its ClusterIP, and nobody takes it by naming it as external',
      services: [
        service('thief', old, { clusterIP: '198.51.100.2', externalIPs: ['198.51.100.1'] }),
        service('victim', young, { clusterIP: '198.51.100.1' }),
      ],
      owner: 'victim',
    },
    {
      name: "is the older one's",
      services: [
        service('young', young, { clusterIP: '198.51.100.2', externalIPs: ['198.51.100.1'] }),
        service('zold', old, { clusterIP: '198.51.100.3', externalIPs: ['198.51.100.1'] }),
      ],
      owner: 'zold',
    },
  ]) {
    test(name, () => {
      const { translations, diagnostics } = translateServices(services, [], NODE);
      const owners = translations.filter(({ frontends }) => frontends.some(({ address }) => address === '198.51.100.1'));
      assert.deepEqual(
        owners.map((translation) => translation.service.name),
        [owner],
      );
      assert.equal(translations.length, 2);
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['ServiceAddressConflict'],
      );
    });
  }
});
