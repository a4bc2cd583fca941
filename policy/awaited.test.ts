import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refOf } from '../kube/index.ts';
import { RESERVED_IDENTITIES } from '../model/index.ts';
import { PolicyEngine, type PolicyEngineOptions } from './index.ts';
import type { PlainObject } from './oracle/objects.ts';
import { viewOf } from './testing/compile.ts';
import { ciliumPolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

const V4 = '10.244.0.0/24';
const V6 = 'fd00:244::/64';

function nodeOf(...podCIDRs: readonly string[]): PlainObject {
  return { ...node('node-0', '192.168.56.10', V4), spec: { podCIDRs } };
}

const RUNNING = pod('web-1', '10.244.0.2', { app: 'web' });
const AWAITED = pod('web-2', '', { app: 'web' }, { status: { phase: 'Pending', podIPs: [] } });
const STARTED = pod('web-2', '10.244.0.3', { app: 'web' });

function toBlock(cidr: string, ...except: readonly string[]): PlainObject {
  return networkPolicyOf({ podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr, except } }] }] });
}

class Scene {
  readonly engine: PolicyEngine;

  constructor(options: PolicyEngineOptions = {}) {
    this.engine = new PolicyEngine(options);
  }

  put(...objects: readonly PlainObject[]) {
    for (const object of objects) this.engine.put(viewOf(object));
    return this.engine.flush();
  }

  /** Identities of the pod that runs and of the one that is awaited. */
  identities(...objects: readonly PlainObject[]): readonly (number | undefined)[] {
    const { endpoints } = this.put(namespace('default'), RUNNING, AWAITED, ...objects);
    return ['web-1', 'web-2'].map((name) => endpoints.upserts.find((endpoint) => endpoint.pod.name === name)?.identity);
  }
}

describe('a pod that has a node and no address yet', () => {
  test('is an endpoint without addresses, of the identity that it will have', () => {
    const scene = new Scene();
    const first = scene.put(namespace('default'), nodeOf(V4), AWAITED);
    const [endpoint] = first.endpoints.upserts;
    assert.deepEqual([endpoint?.node, endpoint?.addresses], ['node-0', []]);
    assert.ok(first.policies.upserts.some(({ subject }) => subject === endpoint?.identity && subject >= 256));
    const { identities, policies, endpoints } = scene.put(STARTED);
    assert.deepEqual({ identities, policies }, { identities: { upserts: [], removals: [] }, policies: { upserts: [], removals: [] } });
    assert.deepEqual(endpoints, { upserts: [{ ...endpoint, addresses: ['10.244.0.3'] }], removals: [] });
    scene.engine.delete(refOf(viewOf(STARTED)));
    assert.deepEqual(scene.engine.flush().identities.removals, [endpoint?.identity]);
  });

  test('is none before it has a node, in the network of the host, and when it has ended', () => {
    for (const [spec, phase] of [[{ nodeName: undefined }], [{ hostNetwork: true }], [{}, 'Failed']] as const) {
      const other = pod('web-2', '', { app: 'web' }, { spec, status: { phase: phase ?? 'Pending', podIPs: [] } });
      assert.deepEqual(new Scene().put(namespace('default'), nodeOf(V4), other).endpoints.upserts, []);
    }
  });

  const SURE: readonly [what: string, objects: readonly PlainObject[], options?: PolicyEngineOptions][] = [
    ['rules name no addresses', []],
    ['rules name the world', [nodeOf(V4), toBlock('0.0.0.0/0')]],
    ['rules name the world of one family, and there are two', [nodeOf(V4, V6), toBlock('0.0.0.0/0')]],
    ['rules name all pods', [nodeOf(V4), toBlock('0.0.0.0/0', '10.0.0.0/8')]],
    ['rules name some pods of another node', [nodeOf(V4), toBlock('10.244.1.0/28')]],
    ['rules name networks that its node does not tell', [nodeOf(), toBlock('10.244.0.0/16')], { podNetworks: [V4] }],
  ];
  for (const [what, objects, options] of SURE) {
    test(`has its identity where ${what}`, () => {
      const [running, awaited] = new Scene(options).identities(...objects);
      assert.equal(awaited, running);
      assert.ok((awaited ?? 0) >= 256);
    });
  }

  const UNSURE: typeof SURE = [
    ['rules name some pods of its node', [nodeOf(V4), toBlock('10.244.0.0/28')]],
    ['rules name addresses, and its networks are not known', [toBlock('0.0.0.0/0')]],
    ['rules name one of its networks', [nodeOf(V4), toBlock('10.245.0.0/16')], { podNetworks: ['10.245.0.0/16'] }],
  ];
  for (const [what, objects, options] of UNSURE) {
    test(`is init where ${what}`, () => {
      assert.equal(new Scene(options).identities(...objects)[1], RESERVED_IDENTITIES.init);
    });
  }

  test('has another identity when what its node tells says so', () => {
    const scene = new Scene();
    assert.equal(scene.identities(toBlock('0.0.0.0/0'))[1], RESERVED_IDENTITIES.init);
    const [endpoint] = scene.put(nodeOf(V4)).endpoints.upserts;
    assert.equal(endpoint?.pod.name, 'web-2');
    assert.ok(endpoint.identity >= 256);
  });
});

describe('whether policies could stop anybody', () => {
  const POLICY = networkPolicyOf({ podSelector: {} });
  test('depends on whether there are any', () => {
    const { engine } = new Scene();
    assert.equal(engine.isPolicing(), false);
    for (const policy of [POLICY, ciliumPolicyOf({ endpointSelector: {}, ingress: [{ fromEntities: 'wrong' }] })]) {
      engine.put(viewOf(policy));
      assert.equal(engine.isPolicing(), true);
      engine.delete(refOf(viewOf(policy)));
      assert.equal(engine.isPolicing(), false);
    }
  });

  test('and on whether they are enforced', () => {
    assert.equal(new PolicyEngine({ enforcement: 'always' }).isPolicing(), true);
    const engine = new PolicyEngine({ enforcement: 'never' });
    engine.put(viewOf(POLICY));
    assert.equal(engine.isPolicing(), false);
  });
});
