import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IP_PROTOCOLS, RESERVED_IDENTITIES } from '../model/index.ts';
import { INGRESS_ADDRESS_LABEL, type PolicyEngineOptions } from './index.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

const OWN = 'sluice-system';
const NODE = node('node-0', '192.168.56.10', '10.244.0.0/24');
const CLUSTER = [namespace('default'), namespace(OWN), NODE, node('node-1', '192.168.56.11', '10.244.1.0/24')];
const HOSTS = hostsOf(CLUSTER);
const WEB = '10.244.0.2';
const INGRESS = '10.244.1.9';
const NEIGHBOUR = '10.244.1.8';
const LABELS = { [INGRESS_ADDRESS_LABEL]: '', app: 'holder' };
const web = pod('web', WEB, { app: 'web' });
const neighbour = pod('neighbour', NEIGHBOUR, LABELS, { spec: { nodeName: 'node-1' } });
const holder = pod('holder', INGRESS, LABELS, { namespace: OWN, spec: { nodeName: 'node-1' } });
const ofIngress = { endpointSelector: { matchExpressions: [{ key: 'reserved:ingress', operator: 'Exists' }] } };

function compile(objects: readonly unknown[], options: PolicyEngineOptions = {}) {
  const { change, compiled } = compileAll([...CLUSTER, web, neighbour, holder, ...objects], options);
  const reaches = (from: string, to: string, port = 80) => compiled.judge(from, to, IP_PROTOCOLS.TCP, port, HOSTS) === 'allow';
  const identityOf = (address: string) => change.addresses.upserts.find(({ prefix }) => prefix === `${address}/32`)?.identity;
  return { change, compiled, reaches, identityOf };
}

describe('a pod that has the ingress address of its node', () => {
  test('is ingress, in the namespace of Sluice alone', () => {
    const { change, identityOf } = compile([]);
    assert.equal(identityOf(INGRESS), RESERVED_IDENTITIES.ingress);
    assert.ok((identityOf(NEIGHBOUR) ?? 0) > 255);
    const endpoint = change.endpoints.upserts.find(({ pod: { name } }) => name === 'holder');
    assert.deepEqual([endpoint?.identity, endpoint?.node], [RESERVED_IDENTITIES.ingress, 'node-1']);
    assert.ok(change.policies.upserts.some(({ subject }) => subject === RESERVED_IDENTITIES.ingress));
    assert.ok((compile([], { ownNamespace: 'mesh' }).identityOf(INGRESS) ?? 0) > 255);
    assert.equal(compile([], { ownNamespace: 'default' }).identityOf(NEIGHBOUR), RESERVED_IDENTITIES.ingress);
  });

  test("is not one of the node's network", () => {
    const onHost = pod('host', '192.168.56.11', LABELS, { namespace: OWN, spec: { nodeName: 'node-1', hostNetwork: true } });
    assert.equal(compile([onHost]).identityOf('192.168.56.11'), RESERVED_IDENTITIES['remote-node']);
  });

  for (const [what, ingress, isAllowed] of [
    ['the entity ingress', { fromEntities: ['ingress'] }, true],
    ['the entity cluster', { fromEntities: ['cluster'] }, true],
    ['nodes', { fromEntities: ['remote-node', 'host'] }, false],
    ['the labels of the pod', { fromEndpoints: [{ matchLabels: { app: 'holder' } }] }, false],
    ['all pods of its namespace', { fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': OWN } }] }, false],
    ['a prefix, as Cilium has it', { fromCIDR: ['10.244.1.0/24'] }, false],
  ] as const) {
    test(`is ${isAllowed ? '' : 'not '}let in by ${what}`, () => {
      const policy = ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [ingress] });
      assert.equal(compile([policy]).reaches(INGRESS, WEB), isAllowed);
    });
  }

  test('is let in by its address, as NetworkPolicy has it, and stays ingress', () => {
    const spec = (cidr: string) => ({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{ from: [{ ipBlock: { cidr } }] }] });
    const other = pod('other', '10.244.0.9', LABELS, { namespace: OWN });
    const { compiled, reaches, identityOf } = compile([other, networkPolicyOf(spec('10.244.1.0/28'))]);
    assert.deepEqual(
      [INGRESS, '10.244.0.9'].map((from) => reaches(from, WEB)),
      [true, false],
    );
    assert.deepEqual(
      [INGRESS, '10.244.0.9'].map((address) => compiled.identities.get(identityOf(address) ?? 0)?.join(' ')),
      ['cidr:10.244.1.0/28 reserved:ingress', 'reserved:ingress'],
    );
    assert.equal(compile([networkPolicyOf(spec('10.244.1.0/28'))]).reaches(INGRESS, WEB), true);
    assert.equal(compile([networkPolicyOf(spec('10.244.2.0/24'))]).reaches(INGRESS, WEB), false);
  });

  test('may do what a policy for reserved:ingress says, and no policy for pods is about it', () => {
    const toWeb = { toEndpoints: [{ matchLabels: { 'k8s:app': 'web', 'k8s:io.kubernetes.pod.namespace': 'default' } }] };
    const policed = compile([clusterwidePolicyOf({ ...ofIngress, egress: [toWeb], ingress: [{ fromEntities: ['world'] }] })]);
    assert.deepEqual(
      [WEB, NEIGHBOUR].map((to) => policed.reaches(INGRESS, to)),
      [true, false],
    );
    assert.deepEqual(
      ['203.0.113.7', WEB].map((from) => policed.reaches(from, INGRESS)),
      [true, false],
    );
    const nothing = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
    assert.equal(compile([networkPolicyOf(nothing, 'p', OWN)]).reaches(INGRESS, NEIGHBOUR), true);
  });

  test('asks clients by slots of its own, not by those of pods with the same rules', () => {
    const toPorts = [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ path: '/public' }] } }];
    const both = { endpointSelector: {}, ingress: [{ fromEntities: ['world'], toPorts }], egress: [{ toEntities: ['cluster'], toPorts }] };
    const { change } = compileAll([...CLUSTER, holder, clusterwidePolicyOf(both)]);
    assert.deepEqual(change.slots.upserts.map(({ direction, ofIngresses }) => [direction, ofIngresses]).sort(), [
      ['egress', undefined],
      ['ingress', undefined],
      ['ingress', true],
    ]);
    assert.equal(new Set(change.slots.upserts.map(({ name }) => name)).size, 3);
  });
});
