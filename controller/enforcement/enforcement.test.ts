import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeAddress, decodeIdentity, decodeNodeEndpoints, decodeSubjectPolicy } from '../../agent/enforcement/decode.ts';
import { type KubeObject, refOf, type SluiceIdentity, validateObject } from '../../kube/index.ts';
import { PolicyEngine } from '../../policy/index.ts';
import { withoutEnvoys } from '../../testkit/without-envoys.ts';
import {
  ADDRESS_TYPE,
  IDENTITY_TYPE,
  NODE_ENDPOINTS_TYPE,
  type Resource,
  SnapshotCache,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import { IdentityRegistry } from '../identities/identity-registry.ts';
import { Enforcement } from './enforcement.ts';

function read(manifest: object): KubeObject {
  const validation = validateObject(manifest);
  assert.equal(validation.result, 'valid', JSON.stringify(validation));
  return validation.object;
}

const namespace = read({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
const node = (name: string, address: string) =>
  read({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDR: '10.244.0.0/16' },
    status: {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
    },
  });
const pod = (name: string, app: string, nodeName: string, ip: string) =>
  read({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, labels: { app } },
    spec: { nodeName, containers: [{ name: 'c' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  });
const POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }], ports: [{ port: 80 }] }],
  },
};

/** A controller without an API server: whoever leads writes at once, unless it is told to wait. */
class Scene {
  readonly cache = new SnapshotCache();
  readonly registry = new IdentityRegistry({ now: () => 0 });
  readonly enforcement: Enforcement;

  constructor(podNetworks: readonly string[] = []) {
    const { registry, cache } = this;
    this.enforcement = new Enforcement({
      engine: new PolicyEngine({ allocator: registry, podNetworks }),
      registry,
      cache,
      podNetworks,
      ...withoutEnvoys,
    });
  }

  take(...upserts: readonly KubeObject[]): void {
    this.enforcement.take({ upserts, removals: [] });
  }

  remove(...objects: readonly KubeObject[]): void {
    this.enforcement.take({ upserts: [], removals: objects.map(refOf) });
  }

  lead(): void {
    const written = this.registry.actions().flatMap((action): SluiceIdentity[] => {
      if (action.kind !== 'apply') return [];
      const object = read({ ...action.manifest, metadata: { ...action.manifest.metadata, uid: action.ref.name } });
      return object.kind === 'SluiceIdentity' ? [object] : [];
    });
    this.take(...written);
  }

  resources(typeUrl: string): Resource[] {
    return [...this.cache.ofType(typeUrl).values()].map(({ resource }) => resource);
  }

  identityOf(prefix: string): number | undefined {
    const found = this.cache.get({ typeUrl: ADDRESS_TYPE, name: prefix });
    return found && decodeAddress(prefix, found.body).identity;
  }

  endpointsOf(name: string) {
    const found = this.cache.get({ typeUrl: NODE_ENDPOINTS_TYPE, name });
    assert.ok(found, `nothing of ${name}`);
    return decodeNodeEndpoints(name, found.body);
  }
}

describe('what agents are told', () => {
  test('each node its endpoints, all nodes the addresses, and the policies that the endpoints need', () => {
    const scene = new Scene();
    scene.take(namespace, node('n1', '192.0.2.1'), node('n2', '192.0.2.2'), read(POLICY));
    scene.take(pod('web-1', 'web', 'n1', '10.244.1.5'), pod('api-1', 'api', 'n2', '10.244.2.5'));
    scene.lead();
    const web = scene.identityOf('10.244.1.5/32') ?? 0;
    const api = scene.identityOf('10.244.2.5/32') ?? 0;
    assert.ok(web >= 256 && api >= 256 && web !== api, `${web} ${api}`);
    const { endpoints, nodeAddresses } = scene.endpointsOf('n1');
    assert.deepEqual(
      endpoints.map(({ pod: { name }, identity, addresses }) => ({ name, identity, addresses })),
      [{ name: 'web-1', identity: web, addresses: ['10.244.1.5'] }],
    );
    assert.deepEqual(nodeAddresses, ['192.0.2.1']);
    assert.deepEqual(scene.cache.get({ typeUrl: NODE_ENDPOINTS_TYPE, name: 'n1' })?.requires, [
      { typeUrl: SUBJECT_POLICY_TYPE, name: String(web) },
      { typeUrl: SUBJECT_POLICY_TYPE, name: '5' },
    ]);
    const policy = decodeSubjectPolicy(
      String(web),
      scene.cache.get({ typeUrl: SUBJECT_POLICY_TYPE, name: String(web) })?.body ?? new Uint8Array(),
    );
    assert.equal(policy.ingress.defaultDeny, true);
    const allowed = policy.ingress.verdicts.find(({ peer, port }) => peer === api && port === 80);
    assert.deepEqual(allowed?.decision, { kind: 'allow' });
    assert.equal(allowed?.sources[0]?.object.name, 'web');
    const labels = scene.resources(IDENTITY_TYPE).map(({ name, body }) => decodeIdentity(name, body));
    assert.ok(labels.some((entry) => entry.identity === api && entry.labels.includes('k8s:app=api')));
  });

  test('a pod whose labels have no number yet is init, and has its own as soon as there is one', () => {
    const scene = new Scene();
    scene.take(namespace, node('n1', '192.0.2.1'), pod('web-1', 'web', 'n1', '10.244.1.5'));
    assert.equal(scene.identityOf('10.244.1.5/32'), 5);
    scene.lead();
    assert.ok((scene.identityOf('10.244.1.5/32') ?? 0) >= 256);
  });

  test('one more pod of known labels changes its address and its node, and nothing else', () => {
    const scene = new Scene();
    scene.take(namespace, node('n1', '192.0.2.1'), read(POLICY), pod('web-1', 'web', 'n1', '10.244.1.5'));
    scene.lead();
    const changed: string[] = [];
    scene.cache.watch(({ names }) => changed.push(...names.map(({ name }) => name)));
    scene.take(pod('web-2', 'web', 'n1', '10.244.1.6'));
    assert.deepEqual(changed.sort(), ['10.244.1.6/32', 'n1']);
  });

  test('what makes no difference to anybody comes to nothing', () => {
    const scene = new Scene();
    const first = node('n1', '192.0.2.1');
    const taken = scene.enforcement.take({ upserts: [namespace, first], removals: [] });
    assert.ok(taken.change.upserts.length > 0);
    const labelled = read({ ...first, metadata: { name: 'n1', labels: { rack: '7' } } });
    const again = scene.enforcement.take({ upserts: [labelled], removals: [] });
    assert.deepEqual([again.change, again.revision], [{ upserts: [], removals: [] }, taken.revision]);
  });

  test('a pod without an address is told of, with the identity that it will have', () => {
    const scene = new Scene();
    const starting = read({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web-2', namespace: 'shop', uid: 'u2', labels: { app: 'web' } },
      spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    });
    scene.take(namespace, node('n1', '192.0.2.1'), read(POLICY), pod('web-1', 'web', 'n1', '10.244.1.5'), starting);
    scene.lead();
    const web = scene.identityOf('10.244.1.5/32') ?? 0;
    const told = scene.endpointsOf('n1').endpoints.map(({ pod: { name }, identity, addresses }) => ({ name, identity, addresses }));
    assert.deepEqual(told, [
      { name: 'web-1', identity: web, addresses: ['10.244.1.5'] },
      { name: 'web-2', identity: web, addresses: [] },
    ]);
  });

  test('nodes guard the networks of pods as long as there is a policy', () => {
    const scene = new Scene(['10.0.0.0/8']);
    const guarded = () => ['n1', 'n2'].map((name) => scene.endpointsOf(name).guardedNetworks);
    scene.take(namespace, node('n1', '192.0.2.1'), node('n2', '192.0.2.2'));
    assert.deepEqual(guarded(), [[], []]);
    scene.take(read(POLICY));
    assert.deepEqual(guarded(), Array(2).fill(['10.244.0.0/16', '10.0.0.0/8']));
    scene.remove(read(POLICY));
    assert.deepEqual(guarded(), [[], []]);
  });

  test('Ingresses need an address of theirs where there is a policy and another node', () => {
    const scene = new Scene();
    const isNeeded = () => scene.endpointsOf('n1').needsIngressAddress;
    scene.take(namespace, node('n1', '192.0.2.1'), read(POLICY));
    assert.equal(isNeeded(), false);
    scene.take(node('n2', '192.0.2.2'));
    assert.equal(isNeeded(), true);
    scene.remove(read(POLICY));
    assert.equal(isNeeded(), false);
    scene.take(read(POLICY));
    scene.remove(node('n2', '192.0.2.2'));
    assert.equal(isNeeded(), false);
  });

  test('what goes is told of, pods first or nodes first', () => {
    for (const order of ['pod', 'node'] as const) {
      const scene = new Scene();
      const [web, n1] = [pod('web-1', 'web', 'n1', '10.244.1.5'), node('n1', '192.0.2.1')];
      scene.take(namespace, n1, web);
      scene.lead();
      for (const object of order === 'pod' ? [web, n1] : [n1, web]) scene.remove(object);
      assert.deepEqual(scene.resources(NODE_ENDPOINTS_TYPE), []);
      assert.deepEqual(
        scene.resources(SUBJECT_POLICY_TYPE).map(({ name }) => name),
        ['5'],
      );
      assert.equal(scene.identityOf('10.244.1.5/32'), undefined);
    }
  });

  test('a pod that is on another node now is there no more', () => {
    const scene = new Scene();
    scene.take(namespace, node('n1', '192.0.2.1'), node('n2', '192.0.2.2'), pod('web-1', 'web', 'n1', '10.244.1.5'));
    scene.lead();
    // With another identity, too, so that nothing is left of the one that it had there.
    scene.take(pod('web-1', 'api', 'n2', '10.244.2.5'));
    scene.lead();
    assert.deepEqual(scene.endpointsOf('n1').endpoints, []);
    assert.deepEqual(
      scene.endpointsOf('n2').endpoints.map(({ pod: { name }, addresses }) => [name, addresses]),
      [['web-1', ['10.244.2.5']]],
    );
  });

  test('a policy that is wrong is told of', () => {
    const scene = new Scene();
    const wrong = { ...POLICY, spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/99' } }] }] } };
    scene.take(namespace, read(wrong));
    assert.deepEqual(
      scene.enforcement.diagnostics().map(({ path }) => path.join('.')),
      ['spec.ingress.0.from.0.ipBlock.cidr'],
    );
    scene.take(read(POLICY));
    assert.deepEqual(scene.enforcement.diagnostics(), []);
  });
});
