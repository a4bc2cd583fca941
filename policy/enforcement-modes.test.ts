import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IP_PROTOCOLS } from '../model/index.ts';
import type { PolicyEngineOptions } from './index.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import { ciliumPolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

// What Cilium's policy-enforcement-mode makes of policies: who reaches the pod `web`, and whom it reaches.

const WORLD = [
  namespace('default'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }),
  pod('near', '10.244.0.3', { app: 'near' }),
];
const HOSTS = hostsOf(WORLD);
const OTHERS = { host: '192.168.56.10', near: '10.244.0.3', outside: '203.0.113.7' };

const web = { endpointSelector: { matchLabels: { app: 'web' } } };
const POLICIES = {
  none: [],
  'one that lets the world in': [ciliumPolicyOf({ ...web, ingress: [{ fromEntities: ['world'] }] })],
  'one that lets the world in and isolates nobody': [
    ciliumPolicyOf({ ...web, ingress: [{ fromEntities: ['world'] }], enableDefaultDeny: { ingress: false } }),
  ],
  'one that denies the world': [
    ciliumPolicyOf({ ...web, ingressDeny: [{ fromEntities: ['world'] }], enableDefaultDeny: { ingress: false, egress: false } }),
  ],
  'one that denies its node': [
    ciliumPolicyOf({
      ...web,
      egressDeny: [{ toEntities: ['host'] }],
      ingressDeny: [{ fromEntities: ['host'] }],
      enableDefaultDeny: { ingress: false, egress: false },
    }),
  ],
  'a NetworkPolicy that lets nothing out': [networkPolicyOf({ podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Egress'] })],
  'one of others': [ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'none' } }, ingress: [{}], egress: [{}] })],
} as const;

type Mode = NonNullable<PolicyEngineOptions['enforcement']>;

/** For each: who gets in, and whom it reaches. */
const EXPECTED: Readonly<Record<keyof typeof POLICIES, Readonly<Record<Exclude<Mode, 'never'>, readonly [into: string, out: string]>>>> = {
  none: { default: ['host near outside', 'host near outside'], always: ['host', ''] },
  'one that lets the world in': { default: ['host outside', 'host near outside'], always: ['host outside', ''] },
  'one that lets the world in and isolates nobody': { default: ['host near outside', 'host near outside'], always: ['host outside', ''] },
  'one that denies the world': { default: ['host near', 'host near outside'], always: ['host', ''] },
  'one that denies its node': { default: ['near outside', 'near outside'], always: ['', ''] },
  'a NetworkPolicy that lets nothing out': { default: ['host near outside', 'host'], always: ['host', ''] },
  'one of others': { default: ['host near outside', 'host near outside'], always: ['host', ''] },
};
const EVERYBODY = ['host near outside', 'host near outside'] as const;

function reached(policies: readonly unknown[], enforcement: Mode): readonly [into: string, out: string] {
  const { compiled } = compileAll([...WORLD, ...policies], { enforcement });
  const passes = (from: string, to: string) => compiled.judge(from, to, IP_PROTOCOLS.TCP, 80, HOSTS) === 'allow';
  // The other pod is closed both ways as well where all are.
  const names = (isPassing: (address: string) => boolean) =>
    Object.entries(OTHERS)
      .filter(([, address]) => isPassing(address))
      .map(([name]) => name)
      .join(' ');
  return [names((address) => passes(address, '10.244.0.2')), names((address) => passes('10.244.0.2', address))];
}

for (const mode of ['default', 'always', 'never'] as const) {
  describe(`enforcement ${mode}`, () => {
    for (const [what, policies] of Object.entries(POLICIES) as [keyof typeof POLICIES, readonly unknown[]][]) {
      const expected = mode === 'never' ? EVERYBODY : EXPECTED[what][mode];
      test(`policies: ${what}`, () => assert.deepEqual(reached(policies, mode), expected));
    }
  });
}
