import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { ciliumEnvoyConfigSpec, readSpec } from '../../kube/index.ts';
import { compileAll } from '../../policy/testing/compile.ts';
import { ciliumPolicy } from '../../policy/testing/random-cilium-policy.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { CILIUM_DEFINITIONS } from './cilium-definitions.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const RUNS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 100);
const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);

const policyView = z.looseObject({
  kind: z.enum(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy']),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.unknown().optional(),
  specs: z.unknown().optional(),
});
type Policy = z.output<typeof policyView>;

const EXAMPLES = loadAll(readFileSync(new URL('testdata/cilium-policies.yaml', import.meta.url), 'utf8')).map((each) =>
  policyView.parse(each),
);

const PORT = (port: object) => ({ ingress: [{ toPorts: [{ ports: [port] }] }] });
const ICMP = (field: object) => ({ ingress: [{ icmps: [{ fields: [field] }] }] });
const RULES = (rules: object) => ({ ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules }] }] });
const PREFIX_SET = (set: object) => ({ egress: [{ toCIDRSet: [set] }] });

/** What a spec has wrong, beside a selector, and what is said of it. */
const REFUSED: readonly (readonly [what: string, spec: object, message: RegExp])[] = [
  ['no rules', {}, /spec: Invalid value.*must have rules: ingress, ingressDeny, egress or egressDeny/],
  ['two selectors', { nodeSelector: {}, ingress: [] }, /must have either an endpointSelector or a nodeSelector/],
  ['no selector', { endpointSelector: null, ingress: [] }, /must have either an endpointSelector or a nodeSelector/],
  ['rules that are no list', { ingress: {} }, /spec\.ingress.*must be of type array/],
  ['a port that is a number', PORT({ port: 80 }), /toPorts\[0\]\.ports\[0\]\.port.*must be of type string/],
  ['a port beyond all', PORT({ port: '65536' }), /ports\[0\]\.port.*should match/],
  ['no name of a port', PORT({ port: 'web_1' }), /ports\[0\]\.port.*should match/],
  ['a range beyond all', PORT({ port: '1', endPort: 65_536 }), /ports\[0\]\.endPort.*less than or equal to 65535/],
  ['an unknown protocol', PORT({ port: '1', protocol: 'QUIC' }), /ports\[0\]\.protocol.*Unsupported value/],
  ['too many ports', { ingress: [{ toPorts: [{ ports: Array(41).fill({ port: '1' }) }] }] }, /Too many: 41: must have at most 40/],
  ['a type of ICMP beyond all', ICMP({ type: 256 }), /fields\[0\]\.type.*less than or equal to 255/],
  ['an unknown type of ICMP', ICMP({ type: 'Ping' }), /fields\[0\]\.type.*should match/],
  ['ICMP of no type', ICMP({ family: 'IPv6' }), /fields\[0\]\.type: Required value/],
  ['an unknown family', ICMP({ type: 8, family: 'IPX' }), /fields\[0\]\.family.*Unsupported value/],
  ['a prefix that is none', { ingress: [{ fromCIDR: ['10.0.0.0/33'] }] }, /fromCIDR\[0\].*10\.0\.0\.0\/33/],
  ['no address', { ingress: [{ fromCIDR: ['example.com'] }] }, /fromCIDR\[0\].*example\.com/],
  ['a set that is an address', PREFIX_SET({ cidr: '10.0.0.1' }), /toCIDRSet\[0\]\.cidr.*of type cidr/],
  ['an exception that is none', PREFIX_SET({ cidr: '10.0.0.0/8', except: ['10'] }), /except\[0\].*of type cidr/],
  ['a set of two things', PREFIX_SET({ cidr: '10.0.0.0/8', cidrGroupRef: 'a' }), /toCIDRSet\[0\].*exactly one|oneOf/],
  ['a set of nothing', PREFIX_SET({ except: ['10.0.0.0/8'] }), /toCIDRSet\[0\].*oneOf/],
  ['an unknown entity', { ingress: [{ fromEntities: ['wolrd'] }] }, /fromEntities\[0\].*Unsupported value: "wolrd"/],
  [
    'an unknown operator',
    { ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: 'a', operator: 'Gt' }] }] }] },
    /operator.*Unsupported/,
  ],
  ['a label that is none', { ingress: [{ fromEndpoints: [{ matchLabels: { a: 'b c' } }] }] }, /matchLabels\.a.*should match/],
  ['a Service without a selector', { egress: [{ toServices: [{ k8sServiceSelector: {} }] }] }, /selector: Required value/],
  ['layer 7 of two kinds', RULES({ http: [], dns: [] }), /rules.*oneOf/],
  ['an unknown answer to a header', RULES({ http: [{ headerMatches: [{ name: 'a', mismatch: 'IGNORE' }] }] }), /mismatch.*Unsupported/],
  ['a name that is two', { egress: [{ toFQDNs: [{ matchName: 'a.b', matchPattern: '*.b' }] }] }, /toFQDNs\[0\].*oneOf/],
  ['a name of other letters', { egress: [{ toFQDNs: [{ matchName: 'a b' }] }] }, /matchName.*should match/],
  ['an unknown authentication', { ingress: [{ authentication: { mode: 'always' } }] }, /mode.*Unsupported value/],
  ['a default that is text', { ingress: [], enableDefaultDeny: { ingress: 'no' } }, /enableDefaultDeny\.ingress.*must be of type boolean/],
  ['TLS without a Secret', { egress: [{ toPorts: [{ terminatingTLS: {} }] }] }, /terminatingTLS\.secret: Required value/],
];

const envoyConfigView = z.looseObject({
  kind: z.enum(['CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig']),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.unknown(),
});
type Config = z.output<typeof envoyConfigView>;

const GOLDENS = new URL('../golden/testdata/', import.meta.url);
/** Whether nothing is wrong with it that is not wrong with a message of Envoy's. */
function isReadable(spec: unknown): boolean {
  const reading = readSpec(ciliumEnvoyConfigSpec, spec);
  return reading.result === 'valid' && reading.spec.resources.every((resource) => typeof resource === 'object' && resource !== null);
}

/** Of the golden cases, those of which no more is wrong than what a schema does not know. */
const CONFIGS: readonly (readonly [golden: string, config: Config])[] = globSync('cec-*/input.yaml', { cwd: GOLDENS })
  .sort()
  .flatMap((file) =>
    loadAll(readFileSync(new URL(file, GOLDENS), 'utf8')).map((each) => [file, envoyConfigView.safeParse(each).data] as const),
  )
  .flatMap(([file, config]) => (config && isReadable(config.spec ?? {}) ? [[file, config]] : []));

const SERVICE = (fields: object) => ({ services: [fields] });
const BACKEND = (fields: object) => ({ backendServices: [fields] });

/** What the spec of a config has wrong, and what is said of it. */
const REFUSED_CONFIGS: readonly (readonly [what: string, spec: unknown, message: RegExp])[] = [
  ['services that are no list', { services: {} }, /spec\.services.*must be of type array/],
  ['a Service without a name', SERVICE({ namespace: 'default' }), /services\[0\]\.name: Required value/],
  ['a Service with an empty name', SERVICE({ name: '' }), /services\[0\]\.name.*at least 1 chars/],
  ['a port that is a text', SERVICE({ name: 'web', ports: ['80'] }), /services\[0\]\.ports\[0\].*must be of type integer/],
  ['a port beyond all', SERVICE({ name: 'web', ports: [65_536] }), /ports\[0\].*less than or equal to 65535/],
  ['port 0', SERVICE({ name: 'web', ports: [0] }), /ports\[0\].*greater than or equal to 1/],
  ['a listener that is a number', SERVICE({ name: 'web', listener: 1 }), /services\[0\]\.listener.*must be of type string/],
  ['a backend without a name', BACKEND({}), /backendServices\[0\]\.name: Required value/],
  ['a number that is one', BACKEND({ name: 'web', number: [80] }), /backendServices\[0\]\.number\[0\].*must be of type string/],
  ['a resource that is a text', { resources: ['web'] }, /resources\[0\].*must be of type object/],
  ['an unknown operator', { nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Gt' }] } }, /operator.*Unsupported value: "Gt"/],
];

describe("the definitions of Cilium's kinds", needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start();
    for (const body of CILIUM_DEFINITIONS) {
      const answer = await plane.request(`${DEFINITIONS}?fieldValidation=Strict`, { method: 'POST', body });
      assert.equal(answer.status, 201, answer.body);
      const [plural = ''] = body.metadata.name.split('.');
      // Some time after it calls itself established.
      await eventually(async () => assert.equal((await plane.request(`/apis/cilium.io/v2/${plural}`)).status, 200));
    }
  });
  after(() => plane[Symbol.asyncDispose]());

  const create = async (policy: Policy, query = '') => {
    const isClusterwide = policy.kind === 'CiliumClusterwideNetworkPolicy';
    const path = isClusterwide ? 'ciliumclusterwidenetworkpolicies' : 'namespaces/default/ciliumnetworkpolicies';
    return await plane.request(`/apis/cilium.io/v2/${path}${query}`, { method: 'POST', body: policy });
  };
  const createConfig = async (config: object, query: string, kind: Config['kind'] = 'CiliumEnvoyConfig') => {
    const path = kind === 'CiliumEnvoyConfig' ? 'namespaces/default/ciliumenvoyconfigs' : 'ciliumclusterwideenvoyconfigs';
    const body = { apiVersion: 'cilium.io/v2', kind, metadata: { name: 'config' }, ...config };
    return await plane.request(`/apis/cilium.io/v2/${path}${query}`, { method: 'POST', body });
  };
  const policyOf = (content: object): Policy => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'policy' },
    ...content,
  });

  assert.ok(EXAMPLES.length > 20);
  for (const example of EXAMPLES) {
    test(`${example.kind} ${example.metadata.name} is accepted and kept as it is`, async () => {
      const { status, body } = await create(example, '?fieldValidation=Strict');
      assert.equal(status, 201, body);
      const { spec, specs } = policyView.parse(JSON.parse(body));
      assert.deepEqual({ spec, specs }, { spec: example.spec, specs: example.specs });
    });
  }

  for (const [what, spec, message] of REFUSED) {
    test(`is refused: ${what}`, async () => {
      for (const [place, content] of [
        ['spec', { endpointSelector: {}, ...spec }],
        ['specs', [{ endpointSelector: {}, ...spec }]],
      ] as const) {
        const { status, body } = await create(policyOf({ [place]: content }), '?dryRun=All');
        assert.equal(status, 422, body);
        assert.match(JSON.parse(body).message.replaceAll('specs[0]', 'spec'), message);
      }
    });
  }

  test('is refused: no spec at all', async () => {
    const { status, body } = await create(policyOf({}), '?dryRun=All');
    assert.equal(status, 422, body);
    assert.match(body, /spec or specs must be provided/);
  });

  test('what policies are made of at random and can be enforced is accepted', async (t) => {
    t.diagnostic(`seed ${SEED}, ${RUNS} policies`);
    for (const random of fc.sample(ciliumPolicy, { numRuns: RUNS, seed: SEED })) {
      const { kind, spec, specs } = policyView.parse(asDefined(random));
      const { diagnostics = [] } = compileAll([random]).change;
      assert.deepEqual(
        diagnostics.filter(({ code }) => code === 'InvalidPolicy'),
        [],
      );
      // A set of rules without any is none that Cilium takes.
      const sets = [spec, specs].flat().filter((set) => set !== undefined);
      if (!sets.every((set) => /"(in|e)gress(Deny)?":\[/.test(JSON.stringify(set)))) continue;
      const { status, body } = await create({ ...policyOf({ spec, specs }), kind }, '?dryRun=All');
      assert.equal(status, 201, `${JSON.stringify(random)}\n${body}`);
    }
  });

  test('Envoy configs that can be read are accepted, and kept as they are', async () => {
    assert.ok(CONFIGS.length > 60, `${CONFIGS.length} configs`);
    for (const [file, { kind, spec }] of CONFIGS) {
      const { status, body } = await createConfig({ spec }, '?dryRun=All&fieldValidation=Strict', kind);
      assert.equal(status, 201, `${file}: ${body}`);
      assert.deepEqual(readSpec(ciliumEnvoyConfigSpec, JSON.parse(body).spec), readSpec(ciliumEnvoyConfigSpec, spec), file);
    }
  });

  for (const [what, spec, message] of REFUSED_CONFIGS) {
    test(`of an Envoy config is refused: ${what}`, async () => {
      assert.equal(isReadable(spec), false);
      for (const kind of ['CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'] as const) {
        const { status, body } = await createConfig({ spec }, '?dryRun=All', kind);
        assert.equal(status, 422, body);
        assert.match(JSON.parse(body).message, message);
      }
    });
  }

  test('an Envoy config keeps what is misspelt, so that it can be told, and has a status of its own', async () => {
    const spec = { nodeselector: {}, resources: [{ '@type': 'unknown', deep: { list: [1, null, { a: 'b' }] } }] };
    const made = await createConfig({ metadata: { name: 'shop' }, spec, status: { nodes: { total: 1 } } }, '?fieldValidation=Strict');
    assert.equal(made.status, 201, made.body);
    assert.deepEqual([JSON.parse(made.body).spec, JSON.parse(made.body).status], [spec, undefined]);
    const told = { lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1, message: '' };
    const conditions = [
      { type: 'Accepted', status: 'False', reason: 'InvalidEnvoyConfig', ...told },
      { type: 'Programmed', status: 'True', reason: 'Programmed', ...told },
    ];
    const status = { conditions, nodes: { programmed: 2, total: 3 }, lastAccepted: { generation: 1, spec } };
    const path = '/apis/cilium.io/v2/namespaces/default/ciliumenvoyconfigs/shop/status';
    const { body } = await plane.request(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body: { status } });
    assert.deepEqual(JSON.parse(body).status, status, body);
    assert.equal(JSON.parse(body).metadata.generation, 1);
    const wrong = { status: { nodes: { total: 'all' } } };
    assert.equal((await plane.request(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body: wrong })).status, 422);
    assert.match(await plane.kubectl('get', 'cec'), /^NAME +ACCEPTED +PROGRAMMED +NODES +AGE\nshop +False +True +2 +\S+\n$/);
    assert.match(await plane.kubectl('get', 'ccec'), /^$/);
  });

  test('short names and columns are those that users know', async () => {
    const table = await plane.kubectl('get', 'cnp', 'endpoints');
    assert.match(table, /^NAME +AGE +VALID\nendpoints /);
    assert.match(await plane.kubectl('get', 'ciliumnp', 'endpoints', '-o', 'name'), /^ciliumnetworkpolicy\.cilium\.io\/endpoints/);
    assert.match(await plane.kubectl('get', 'ccnp', 'nodes'), /^NAME +AGE +VALID\nnodes /);
    assert.match(await plane.kubectl('get', 'ciliumpolicy', '-A'), /ciliumnetworkpolicy\.cilium\.io\/http/);
  });
});

/** Cilium reads protocols in any letters and takes an empty one for none, but its definitions, as ours, have them in theirs or not at all. */
function asDefined(policy: unknown): unknown {
  const text = JSON.stringify(policy, (key, value) =>
    key === 'protocol' && typeof value === 'string' ? value.toUpperCase() || undefined : value,
  );
  return JSON.parse(text);
}
