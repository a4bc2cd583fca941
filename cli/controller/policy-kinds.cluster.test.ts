import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { type AuditEvent, readAuditLog } from '../../testkit/audit-log.ts';
import { needs } from '../../testkit/capabilities.ts';
import { ENFORCER_POD, othersDefinition } from '../../testkit/cilium-definitions.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type ClusterProcess, PlainCluster } from '../../testkit/plain-cluster.ts';

const WITHIN = { withinMs: 60_000 };
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const CLUSTERWIDE = 'ciliumclusterwidenetworkpolicies.cilium.io';
const NAMESPACED = 'ciliumnetworkpolicies.cilium.io';
const POLICED = { policy: { enabled: true, services: false } };

/** The definition of somebody else: its objects have no condition. */
const OTHERS = othersDefinition({
  kind: 'CiliumClusterwideNetworkPolicy',
  plural: 'ciliumclusterwidenetworkpolicies',
  singular: 'ciliumclusterwidenetworkpolicy',
  labels: { 'io.cilium.k8s.crd.schema.version': '1.20.0' },
  subresources: { status: {} },
});

const policy = (name: string, spec: object) => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name, namespace: 'default' },
  spec: { endpointSelector: {}, ...spec },
});
const EVERYBODY = { ingress: [{ fromEntities: ['all'] }] };
const BACKWARDS = { ingress: [{ toPorts: [{ ports: [{ port: '90', endPort: 80 }] }] }] };
const OF_LAYER_7 = { ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { kafka: [{ topic: 'a' }] } }] }] };
const MISSPELT = { ingress: [{ fromEndpoint: [{}] }] };

describe("Cilium's kinds, with controllers of Sluice", needs('cluster'), () => {
  const cleanUp = new AsyncDisposableStack();
  let cluster: PlainCluster;
  let plane: ControlPlane;
  let unpoliced: ClusterProcess;
  before(async () => {
    cluster = cleanUp.use(await PlainCluster.start({ audit: true, settings: POLICED }));
    plane = cluster.plane;
    await plane.apply([OTHERS, ENFORCER_POD]);
    unpoliced = await cluster.startController('unpoliced', { settings: {} });
    await unpoliced.untilReady();
  });
  after(() => cleanUp.disposeAsync());

  const definitions = async () => (await plane.kubectl('get', 'customresourcedefinitions', '-o', 'name')).trim().split('\n');
  const setReady = async (ready: boolean) => {
    const status = { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
    const path = '/api/v1/namespaces/sluice-system/pods/sluice-enforcer-1/status';
    const patch = { method: 'PATCH', contentType: 'application/merge-patch+json', body: { status } };
    assert.equal((await plane.request(path, patch)).status, 200);
  };
  const conditionsOf = async (name: string): Promise<Readonly<Record<string, readonly string[]>>> => {
    const { body } = await plane.request(`/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/${name}`);
    const conditions: readonly Readonly<Record<string, string>>[] = JSON.parse(body).status?.conditions ?? [];
    return Object.fromEntries(conditions.map(({ type, status = '', reason = '', message = '' }) => [type, [status, reason, message]]));
  };
  const asked = () => readAuditLog(plane.auditLog).filter(({ requestURI }) => requestURI.startsWith(DEFINITIONS));
  const lookedBy = (podName: string) =>
    asked().filter(
      ({ userAgent, verb }) => userAgent.startsWith('sluice-controller/') && userAgent.includes(`(${podName})`) && verb === 'get',
    );

  /** Whether it was asked by a replica that did not hold the Lease. One that is written is in force before its writer knows. */
  const isByAnother = ({ userAgent, requestReceivedTimestamp: at }: AuditEvent) => {
    // The API server has a Lease of its own, too.
    const terms = readAuditLog(plane.auditLog).filter(({ objectRef, verb, responseStatus }) => {
      const isOurs = objectRef?.resource === 'leases' && objectRef.namespace === 'sluice-system';
      return isOurs && verb !== 'get' && responseStatus.code < 300;
    });
    return terms.findLast(({ stageTimestamp }) => stageTimestamp <= at)?.userAgent !== userAgent;
  };

  test('are nothing to a controller that enforces no policies, whoever is ready', async () => {
    await setReady(true);
    await eventually(async () => {
      const holder = await plane.kubectl(
        '-n',
        'sluice-system',
        'get',
        'lease',
        'sluice-controller',
        '-o',
        'jsonpath={.spec.holderIdentity}',
      );
      assert.match(holder, /^unpoliced_/);
    }, WITHIN);
    assert.deepEqual(await definitions(), [`customresourcedefinition.apiextensions.k8s.io/${CLUSTERWIDE}`]);
    assert.deepEqual(lookedBy('unpoliced'), []);
    await setReady(false);
    await unpoliced.end('SIGTERM');
  });

  test('are not made while no enforcer is ready', async () => {
    for (const name of ['one', 'two']) await cluster.startController(name);
    // Looked at more than once by the one that leads, and never by the other.
    await eventually(() => assert.ok([...lookedBy('one'), ...lookedBy('two')].length > 3), WITHIN);
    assert.deepEqual(await definitions(), [`customresourcedefinition.apiextensions.k8s.io/${CLUSTERWIDE}`]);
  });

  test('are made by the one that leads where they are absent, once one is', async () => {
    const others = async () => {
      const { generation, labels } = JSON.parse((await plane.request(`${DEFINITIONS}/${CLUSTERWIDE}`)).body).metadata;
      return { generation, labels };
    };
    const before = await others();
    await setReady(true);
    await eventually(() => plane.kubectl('get', 'ciliumnetworkpolicies,ciliumenvoyconfigs,ciliumclusterwideenvoyconfigs'), WITHIN);
    assert.deepEqual(await others(), before);
    const { metadata } = JSON.parse((await plane.request(`${DEFINITIONS}/${NAMESPACED}`)).body);
    assert.equal(metadata.labels['io.cilium.k8s.crd.schema.version'], '1.33.0');
    const ours = asked().filter(({ userAgent }) => userAgent.startsWith('sluice-controller/'));
    assert.deepEqual(ours.filter(isByAnother), []);
    assert.deepEqual(lookedBy('unpoliced'), []);
    assert.deepEqual(
      ours.filter(({ verb }) => verb !== 'get').map(({ verb, responseStatus }) => [verb, responseStatus.code]),
      Array(3).fill(['create', 201]),
    );
  });

  test('have policies, which are told what becomes of them', async () => {
    await plane.apply([
      policy('good', EVERYBODY),
      policy('backwards', BACKWARDS),
      policy('layer-7', OF_LAYER_7),
      policy('misspelt', MISSPELT),
    ]);
    const path = 'spec.ingress[0].toPorts[0]';
    const isolated = ['False', 'Invalid', 'it allows nothing; what it selects is isolated'];
    for (const [name, valid, enforceable] of [
      ['good', ['True', 'Valid', 'Policy validation succeeded'], ['True', 'Enforceable', 'all rules can be enforced']],
      ['backwards', ['False', 'Invalid', `${path}.ports[0].endPort: must be at least the port, 90, not 80`], isolated],
      [
        'layer-7',
        ['True', 'Valid', 'Policy validation succeeded'],
        ['False', 'NeedsLayer7', `${path}.rules.kafka: is not enforced yet: allows nothing`],
      ],
      ['misspelt', ['False', 'Invalid', 'spec.ingress[0]: has no field "fromEndpoint"'], isolated],
    ] as const) {
      await eventually(
        async () => assert.deepEqual(await conditionsOf(name), { Valid: [...valid], 'sluice.io/Enforceable': [...enforceable] }),
        WITHIN,
      );
    }
    assert.match(await plane.kubectl('get', 'cnp'), /^backwards +\S+ +False\ngood +\S+ +True\n/m);
    await plane.kubectl('wait', '--for=condition=sluice.io/Enforceable', 'cnp/good', '--timeout=10s');
  });

  test('are told once, and again when something changes', async () => {
    const version = async () =>
      JSON.parse((await plane.request('/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/good')).body).metadata.resourceVersion;
    const settled = await version();
    await plane.apply([policy('backwards', EVERYBODY)]);
    await eventually(async () => assert.equal((await conditionsOf('backwards'))['Valid']?.[0], 'True'), WITHIN);
    assert.equal(await version(), settled);
  });

  test('are told by the one that leads alone', () => {
    const written = readAuditLog(plane.auditLog).filter(
      ({ verb, objectRef }) => verb === 'patch' && objectRef?.resource === 'ciliumnetworkpolicies' && objectRef.subresource === 'status',
    );
    assert.ok(written.length >= 5, `${written.length} statuses`);
    assert.deepEqual(written.filter(isByAnother), []);
  });

  test('that have no room for conditions are left alone', async () => {
    const clusterwide = { ...policy('wide', EVERYBODY), kind: 'CiliumClusterwideNetworkPolicy', metadata: { name: 'wide' } };
    await plane.apply([clusterwide, policy('after', EVERYBODY)]);
    await eventually(async () => assert.equal((await conditionsOf('after'))['Valid']?.[0], 'True'), WITHIN);
    const written = readAuditLog(plane.auditLog).filter(({ requestURI }) =>
      requestURI.includes('ciliumclusterwidenetworkpolicies/wide/status'),
    );
    assert.deepEqual(written, []);
  });
});
