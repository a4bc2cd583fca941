import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { load } from 'js-yaml';
import { Random } from '../kube/fuzz/random.ts';
import { Structure } from '../kube/fuzz/structure.ts';
import { validateObject } from '../kube/index.ts';
import { IP_PROTOCOLS } from '../model/index.ts';
import { PolicyEngine } from './engine.ts';
import { hostsOf, viewOf } from './testing/compile.ts';
import { CompiledPolicy } from './testing/compiled-policy.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

const RUNS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 1_500);
const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);

const WORLD = [
  namespace('default'),
  namespace('beside'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  pod('db', '10.244.0.3', { app: 'db' }),
  pod('beside', '10.244.0.4', { app: 'web' }, { namespace: 'beside' }),
  networkPolicyOf({ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 80 }] }] }, 'beside', 'beside'),
];
const HOSTS = hostsOf(WORLD);
const ADDRESSES = ['10.244.0.2', '10.244.0.3', '10.244.0.4', '203.0.113.7', '10.1.2.3', '192.168.56.10'];

const http = {
  method: 'GET',
  path: '/a(b|c)*',
  host: 'a.example',
  headers: ['X-A: b', 'X-C'],
  headerMatches: [{ name: 'X-D', value: 'e', secret: { name: 's', namespace: 'n' }, mismatch: 'ADD' }],
};

const rule = {
  ingress: [
    { fromEndpoints: [{ matchLabels: { app: 'web' } }], toPorts: [{ ports: [{ port: '80', endPort: 90, protocol: 'TCP' }] }] },
    { fromEntities: ['world'] },
    { toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], rules: { http: [http, { method: 'GET' }] } }] },
  ],
  ingressDeny: [{ fromCIDRSet: [{ cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] }] }],
  egress: [
    { toCIDR: ['10.0.0.0/8'], icmps: [{ fields: [{ family: 'IPv4', type: 'EchoRequest' }] }] },
    { toServices: [{ k8sService: { serviceName: 'a', namespace: 'b' } }] },
    { toEntities: ['world'], toPorts: [{ ports: [{ port: '443' }], serverNames: ['*.example', 'a.example'] }] },
  ],
  egressDeny: [{ toEntities: ['host'] }],
  enableDefaultDeny: { ingress: true, egress: true },
};

const CORPUS: readonly object[] = [
  networkPolicyOf({
    podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['x'] }] },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: 'db' } }, namespaceSelector: {} }],
        ports: [{ protocol: 'TCP', port: 80, endPort: 90 }],
      },
    ],
    egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '203.0.113.0/24'] } }], ports: [{ port: 'http' }] }],
  }),
  ciliumPolicyOf({ endpointSelector: { matchLabels: { 'k8s:app': 'web' } }, ...rule }),
  clusterwidePolicyOf({ endpointSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] }, ...rule }),
  { ...ciliumPolicyOf(undefined), specs: [{ endpointSelector: {}, ...rule }] },
  pod('web', '10.244.0.2', { app: 'web' }, { ports: [{ name: 'http', containerPort: 80 }] }),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  namespace('default', { a: 'b' }),
];

const WRONG: readonly [unknown, ...unknown[]] = [
  null,
  0,
  -1,
  1.5,
  65_536,
  '',
  'x',
  '0',
  '10.0.0.0/33',
  '::/0',
  true,
  [],
  {},
  [[]],
  [null],
  { '': 1 },
  ['all'],
  '(',
  'X-A:b',
  '**a',
];
const KEYS: readonly [string, ...string[]] = [
  '__proto__',
  'constructor',
  '',
  'from',
  'toPorts',
  'rules',
  'http',
  'k8s:',
  'reserved:host',
  'any:',
  'cidr',
];

function mutant(random: Random): unknown {
  const original = CORPUS[random.below(CORPUS.length)];
  const structure = new Structure(JSON.stringify(original), random);
  for (let count = 1 + random.below(3); count > 0; count--) {
    random.pick([
      () => structure.replace(() => structuredClone(random.pick(WRONG))),
      () => structure.remove(),
      () => structure.rename(() => random.pick(KEYS)),
    ])();
  }
  return load(structure.print());
}

interface Seen {
  readonly allowed: ReadonlySet<string>;
  readonly isRefused: boolean;
}

function compileWith(object: unknown): Seen | undefined {
  const seen = validateObject(object);
  if (seen.result !== 'valid') return undefined;
  const engine = new PolicyEngine();
  for (const each of WORLD) engine.put(viewOf(each));
  engine.put(seen.object);
  const change = engine.flush();
  const compiled = new CompiledPolicy();
  compiled.apply(change);
  return { allowed: allowedBy(compiled), isRefused: (change.diagnostics ?? []).some(({ code }) => code === 'InvalidPolicy') };
}

function allowedBy(compiled: CompiledPolicy): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const from of ADDRESSES) {
    for (const to of ADDRESSES) {
      for (const port of [80, 443]) {
        if (from !== to && compiled.judge(from, to, IP_PROTOCOLS.TCP, port, HOSTS) === 'allow') allowed.add(`${from} ${to} ${port}`);
      }
    }
  }
  return allowed;
}

const isOfNeighbour = (packet: string) => packet.includes('10.244.0.4') && !packet.includes('10.244.0.2') && !packet.includes('10.244.0.3');

describe(`mutated objects, from seed ${SEED} (SLUICE_FUZZ_SEED)`, () => {
  test(`${RUNS} of them: nothing is thrown, what is refused allows nothing, and no neighbour notices`, { timeout: 300_000 }, () => {
    const without = compileWith(WORLD[0]);
    assert.ok(without);
    let refused = 0;
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      const object = mutant(new Random(seed));
      const { kind, metadata } = { kind: '', metadata: {}, ...(typeof object === 'object' ? object : {}) };
      const told = `seed ${seed}: ${JSON.stringify(object)}`;
      const seen = compileWith(object);
      if (!seen) continue;
      if (seen.isRefused) {
        refused++;
        for (const packet of seen.allowed) assert.ok(without.allowed.has(packet), `${told} allows ${packet}`);
      }
      const isOfDefault = kind === 'NetworkPolicy' || kind === 'CiliumNetworkPolicy';
      if (!isOfDefault || JSON.stringify(metadata).includes('beside')) continue;
      assert.deepEqual([...seen.allowed].filter(isOfNeighbour), [...without.allowed].filter(isOfNeighbour), told);
    }
    assert.ok(refused > RUNS / 20, `${refused} were refused`);
  });
});
