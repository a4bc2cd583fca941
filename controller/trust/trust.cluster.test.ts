import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { requestCertificate } from '../../kube/certificates/index.ts';
import { type ApiClient, ApiError } from '../../kube/index.ts';
import { isPair, isSignedByOne, makeSigningRequest, readCertificate, splitBundle } from '../../pki/index.ts';
import { apiClientOf } from '../../testkit/api-client.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { AuthorityKeeper, NODE_SIGNER, NodeSigner, ServingIdentity } from './index.ts';

const NAMESPACE = 'sluice-system';
const SECRET = `/api/v1/namespaces/${NAMESPACE}/secrets/sluice-ca`;
const CONFIG_MAP = `/api/v1/namespaces/${NAMESPACE}/configmaps/sluice-ca`;
const USAGES = ['digital signature', 'client auth'];
const CERTIFICATES = 'certificates.k8s.io';
const SIGNERS = { apiGroups: [CERTIFICATES], resources: ['signers'], resourceNames: ['sluice.io/node'] };

const RULES = {
  controller: [
    { apiGroups: [CERTIFICATES], resources: ['certificatesigningrequests'], verbs: ['list', 'watch'] },
    {
      apiGroups: [CERTIFICATES],
      resources: ['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
      verbs: ['update'],
    },
    { ...SIGNERS, verbs: ['approve', 'sign'] },
  ],
  inNamespace: [
    { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['create'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['sluice-ca'], verbs: ['get', 'update'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['sluice-ca'], verbs: ['get', 'patch'] },
  ],
  agent: [{ apiGroups: [CERTIFICATES], resources: ['certificatesigningrequests'], verbs: ['create', 'get'] }],
};

function role(kind: 'Role' | 'ClusterRole', name: string, rules: readonly object[], accounts: readonly string[]): readonly object[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const metadata = { name, ...(kind === 'Role' && { namespace: NAMESPACE }) };
  const subjects = accounts.map((account) => ({ kind: 'ServiceAccount', name: account, namespace: NAMESPACE }));
  return [
    { apiVersion, kind, metadata, rules },
    { apiVersion, kind: `${kind}Binding`, metadata, subjects, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name } },
  ];
}

function pod(name: string, nodeName: string, serviceAccountName: string): object {
  const spec = { nodeName, serviceAccountName, automountServiceAccountToken: false, containers: [{ name: 'main', image: 'none' }] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: NAMESPACE }, spec };
}

describe('trust in a cluster', needs('cluster'), () => {
  let plane: ControlPlane;
  let serving: ServingIdentity;
  const stop = new AbortController();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const running: Promise<void>[] = [];

  before(async () => {
    plane = await ControlPlane.start();
    await plane.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }]);
    const accounts = ['sluice-controller', 'sluice-agent', 'other'];
    await plane.apply([
      ...accounts.map((name) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: NAMESPACE } })),
      ...role('ClusterRole', 'sluice-controller', RULES.controller, ['sluice-controller']),
      ...role('Role', 'sluice-controller', RULES.inNamespace, ['sluice-controller']),
      ...role('ClusterRole', 'sluice-agent', RULES.agent, ['sluice-agent', 'other']),
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } },
      pod('agent-1', 'node-1', 'sluice-agent'),
      pod('other-1', 'node-1', 'other'),
    ]);
    const client = connect(await plane.serviceAccountToken(NAMESPACE, 'sluice-controller'));
    const replicas = [1, 2].map(() => new AuthorityKeeper({ client, namespace: NAMESPACE, onError, intervalMs: 200 }));
    running.push(...replicas.map((keeper) => keeper.run(stop.signal)));
    serving = await ServingIdentity.open({ client, namespace: NAMESPACE, onError: () => {}, intervalMs: 100 });
    running.push(new NodeSigner({ client, authority: () => serving.authority, onError }).run(stop.signal));
  });

  after(async () => {
    stop.abort();
    await Promise.all(running);
    await serving[Symbol.asyncDispose]();
    await plane[Symbol.asyncDispose]();
  });

  function connect(token: string): ApiClient {
    return apiClientOf({ server: plane.url, authority: plane.credentials.authority }, token);
  }

  /** As the kubelet mounts it into a pod. */
  async function boundToken(account: string, podName: string): Promise<string> {
    const found = JSON.parse((await plane.request(`/api/v1/namespaces/${NAMESPACE}/pods/${podName}`)).body);
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: podName, uid: found.metadata.uid };
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${account}/token`;
    const { body } = await plane.request(path, { method: 'POST', body: { spec: { boundObjectRef, expirationSeconds: 3600 } } });
    return JSON.parse(body).status.token;
  }

  async function read(path: string): Promise<Record<string, string>> {
    return JSON.parse((await plane.request(path)).body).data;
  }

  test('there is one authority, however many make it, and everybody can read whom to trust', async () => {
    const bundle = await eventually(async () => {
      const { 'ca.crt': found } = await read(CONFIG_MAP);
      assert.ok(found);
      return found;
    });
    assert.equal(bundle, serving.authority.certificate);
    const secret = JSON.parse((await plane.request(SECRET)).body);
    assert.equal(secret.type, 'sluice.io/ca');
    assert.doesNotMatch(JSON.stringify(await read(CONFIG_MAP)), /PRIVATE/);
  });

  test('an agent is given the certificate of the node that its pod runs on', async () => {
    const { request, privateKey } = await makeSigningRequest();
    const client = connect(await boundToken('sluice-agent', 'agent-1'));
    const wish = { request, signerName: NODE_SIGNER.signerName, usages: USAGES };
    const certificate = await requestCertificate(client, wish);
    assert.equal(readCertificate(certificate).spiffeId, 'spiffe://sluice.io/node/node-1');
    assert.ok(isPair(certificate, privateKey));
    assert.ok(isSignedByOne(certificate, serving.authority.certificate));
    assert.equal(await requestCertificate(client, wish), certificate, 'asked again for the same');
  });

  test('what a request says about names, and what an agent adds to it, plays no part', async () => {
    const { request } = await makeSigningRequest();
    const client = connect(await boundToken('sluice-agent', 'agent-1'));
    const forged = { username: 'system:masters', extra: { 'authentication.kubernetes.io/node-name': ['node-2'] } };
    const spec = { request: Buffer.from(request).toString('base64'), signerName: NODE_SIGNER.signerName, usages: USAGES, ...forged };
    const path = `/apis/${CERTIFICATES}/v1/certificatesigningrequests`;
    await client.request({ method: 'POST', path, body: { metadata: { name: 'forged' }, spec } });
    const certificate = await eventually(async () => {
      const { status } = JSON.parse((await plane.request(`${path}/forged`)).body);
      assert.ok(status.certificate);
      return Buffer.from(status.certificate, 'base64').toString();
    });
    assert.equal(readCertificate(certificate).spiffeId, 'spiffe://sluice.io/node/node-1');
  });

  test('everybody else is denied, and told why', async () => {
    const agent = await boundToken('sluice-agent', 'agent-1');
    const { request } = await makeSigningRequest();
    const cases = [
      [await boundToken('other', 'other-1'), request, USAGES, /only system:serviceaccount:sluice-system:sluice-agent/],
      [await plane.serviceAccountToken(NAMESPACE, 'sluice-agent'), `${request} `, USAGES, /not made with a token that is bound/],
      [agent, `${request}  `, ['digital signature', 'server auth'], /the usages must be/],
      [agent, `${request}\n${request}`, USAGES, /not one PEM block/],
    ] as const;
    for (const [token, wanted, usages, reason] of cases) {
      const wish = { request: wanted, signerName: NODE_SIGNER.signerName, usages };
      await assert.rejects(requestCertificate(connect(token), wish), (error: Error) => {
        assert.match(error.message, reason);
        return true;
      });
    }
  });

  test('an agent can neither approve nor read the authority', async () => {
    const client = connect(await boundToken('sluice-agent', 'agent-1'));
    const isForbidden = (error: unknown) => error instanceof ApiError && error.code === 'forbidden';
    await assert.rejects(client.request({ path: SECRET }), isForbidden);
    const path = `/apis/${CERTIFICATES}/v1/certificatesigningrequests/forged/approval`;
    await assert.rejects(client.request({ method: 'PUT', path, body: {} }), isForbidden);
  });

  test('a ConfigMap that somebody changed or deleted is mended, and another authority is made where one is deleted', async () => {
    const before = serving.authority.certificate;
    await plane.kubectl('delete', 'configmap', 'sluice-ca', '-n', NAMESPACE);
    await eventually(async () => assert.equal((await read(CONFIG_MAP))['ca.crt'], before));
    await plane.kubectl('delete', 'secret', 'sluice-ca', '-n', NAMESPACE);
    await eventually(() => assert.notEqual(serving.authority.certificate, before));
    await eventually(async () => assert.deepEqual(splitBundle((await read(CONFIG_MAP))['ca.crt'] ?? '').length, 1));
    await eventually(async () => assert.equal((await read(CONFIG_MAP))['ca.crt'], serving.authority.certificate));
  });

  test('nothing failed but what two leaders at once get in each other’s way, and no key was told', () => {
    const unexpected = errors.filter((error) => !(error instanceof ApiError && ['already-exists', 'conflict'].includes(error.code)));
    assert.deepEqual(unexpected, []);
    assert.doesNotMatch(errors.map(String).join(), /PRIVATE/);
  });
});
