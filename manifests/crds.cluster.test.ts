import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ControlPlane } from '../conformance/lab/control-plane.ts';
import { needs } from '../testkit/capabilities.ts';
import { eventually } from '../testkit/eventually.ts';
import { PlainCluster } from '../testkit/plain-cluster.ts';

const CRD = fileURLToPath(new URL('crds/sluicesettings.yaml', import.meta.url));
const PATH = '/apis/sluice.io/v1alpha1/sluicesettings';

/** What a spec has wrong, the field that is told, and what is said of it. */
const REFUSED: readonly (readonly [what: string, spec: object, field: string, message: RegExp])[] = [
  ['text for a number', { http: { xffTrustedHops: 'two' } }, 'spec.http.xffTrustedHops', /must be of type integer/],
  ['too large a number', { http: { xffTrustedHops: 33 } }, 'spec.http.xffTrustedHops', /less than or equal to 32/],
  ['a value outside of its list', { http: { accessLog: 'yes' } }, 'spec.http.accessLog', /Unsupported value/],
  ['a duration without a unit', { ingress: { requestTimeout: '30' } }, 'spec.ingress.requestTimeout', /should match/],
  ['no port', { ingress: { hostNetwork: { sharedListenerPort: 0 } } }, 'spec.ingress.hostNetwork.sharedListenerPort', /greater than/],
  ['no Secret', { ingress: { defaultSecret: 'tls' } }, 'spec.ingress.defaultSecret', /should match/],
  ['an empty class', { ingress: { className: '' } }, 'spec.ingress.className', /at least 1 chars/],
  [
    'the same port twice',
    { ingress: { service: { insecureNodePort: 30080, secureNodePort: 30080 } } },
    'spec.ingress.service.secureNodePort',
    /must differ from insecureNodePort/,
  ],
  [
    'a node port without one',
    { ingress: { service: { type: 'ClusterIP', insecureNodePort: 30080 } } },
    'spec.ingress.service.insecureNodePort',
    /ClusterIP has no node ports/,
  ],
  [
    'a secure node port without one',
    { ingress: { service: { type: 'ClusterIP', secureNodePort: 30443 } } },
    'spec.ingress.service.secureNodePort',
    /ClusterIP has no node ports/,
  ],
  [
    'a class without a load balancer',
    { ingress: { service: { type: 'NodePort', loadBalancerClass: 'a/b' } } },
    'spec.ingress.service.loadBalancerClass',
    /only a Service of type LoadBalancer/,
  ],
  ['a selector of nothing', { ingress: { nodes: {} } }, 'spec.ingress.nodes.matchLabels', /must ask for something/],
  ['a misspelt selector', { ingress: { nodes: { role: 'edge' } } }, 'spec.ingress.nodes.matchLabels', /must ask for something/],
  [
    'an operator without values',
    { ingress: { nodes: { matchExpressions: [{ key: 'a', operator: 'In' }] } } },
    'spec.ingress.nodes.matchExpressions[0].values',
    /need values/,
  ],
  [
    'values without a use',
    { ingress: { nodes: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } } },
    'spec.ingress.nodes.matchExpressions[0].values',
    /the others have none/,
  ],
  [
    'an unknown operator',
    { ingress: { nodes: { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['b'] }] } } },
    'spec.ingress.nodes.matchExpressions[0].operator',
    /Unsupported value/,
  ],
  ['a label that is none', { ingress: { nodes: { matchLabels: { a: 'b c' } } } }, 'spec.ingress.nodes.matchLabels.a', /should match/],
  ['retries of nothing', { upstream: { retry: { attempts: 2 } } }, 'spec.upstream.retry.on', /Required value/],
  ['no retries', { upstream: { retry: { on: ['5xx'], attempts: 0 } } }, 'spec.upstream.retry.attempts', /greater than or equal to 1/],
  ['retries on an empty list', { upstream: { retry: { on: [] } } }, 'spec.upstream.retry.on', /at least 1 items/],
  ['affinity of no kind', { upstream: { sessionAffinity: { name: 'a' } } }, 'spec.upstream.sessionAffinity.kind', /Required value/],
  [
    'a cookie without cookies',
    { upstream: { sessionAffinity: { kind: 'source-ip', name: 'a' } } },
    'spec.upstream.sessionAffinity.name',
    /goes with kind cookie only/,
  ],
  [
    'a share over all',
    { upstream: { outlierDetection: { maxEjectionPercent: 101 } } },
    'spec.upstream.outlierDetection.maxEjectionPercent',
    /100/,
  ],
  ['a relative path', { upstream: { certificateAuthorities: 'ca.crt' } }, 'spec.upstream.certificateAuthorities', /should match/],
];

describe('the CRD of settings', needs('cluster'), () => {
  let cluster: PlainCluster;
  let plane: ControlPlane;
  before(async () => {
    cluster = await PlainCluster.start();
    plane = cluster.plane;
  });
  after(() => cluster[Symbol.asyncDispose]());

  const put = async (spec: object, name = 'default') => {
    const body = { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata: { name }, spec };
    const path = `${PATH}/${name}?fieldManager=test&force=true&fieldValidation=Warn`;
    return await plane.request(path, { method: 'PATCH', contentType: 'application/apply-patch+yaml', body });
  };

  const conditionsOf = async () => {
    const { body } = await plane.request(`${PATH}/default`);
    const { metadata, status } = JSON.parse(body);
    return {
      generation: metadata.generation,
      conditions: new Map(status.conditions.map((found: { type: string }) => [found.type, found])),
    };
  };

  const untilStatus = async (accepted: object, applied: object) => {
    await eventually(
      async () => {
        const { generation, conditions } = await conditionsOf();
        assert.partialDeepStrictEqual(conditions.get('Accepted'), { observedGeneration: generation, ...accepted });
        assert.partialDeepStrictEqual(conditions.get('Applied'), { observedGeneration: generation, ...applied });
      },
      { withinMs: 30_000 },
    );
  };

  test('a controller starts without it, and follows it once it is there', async () => {
    const controller = await cluster.startController('one');
    await controller.untilReady();
    assert.match(controller.command.stderr, /SluiceSettings: the API server has no such kind/);
    await plane.kubectl('apply', '--warnings-as-errors', '--validate=strict', '-f', CRD);
    await plane.kubectl('wait', '--for=condition=Established', '--timeout=30s', 'crd/sluicesettings.sluice.io');
    await cluster.setNodes({ node: '192.0.2.1' });
    const spec = { ingressClassName: 'cilium', defaultBackend: { service: { name: 'web', port: { number: 80 } } } };
    await plane.apply([{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web', namespace: 'default' }, spec }]);
    await eventually(() => plane.kubectl('get', 'service', 'cilium-ingress-web'), { withinMs: 30_000 });
    assert.equal((await put({ ingress: { hostNetwork: { enabled: true } } })).status, 201);
    await untilStatus({ status: 'True', reason: 'Accepted' }, { status: 'True', reason: 'Applied' });
  });

  test('what it says is in force without a restart', async () => {
    await eventually(
      async () => {
        const address = await plane.kubectl('get', 'ingress', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}');
        assert.equal(address, '192.0.2.1');
        const services = await plane.kubectl('get', 'services', '-o', 'name');
        assert.doesNotMatch(services, /cilium-ingress-web/);
      },
      { withinMs: 30_000 },
    );
  });

  for (const [what, spec, field, message] of REFUSED) {
    test(`is refused at admission: ${what}`, async () => {
      const patch = { method: 'PATCH', contentType: 'application/merge-patch+json', body: { spec } };
      const { status, body } = await plane.request(`${PATH}/default`, patch);
      assert.equal(status, 422, body);
      const answer = JSON.parse(body);
      const causes: readonly { readonly field: string; readonly message: string }[] = answer.details.causes;
      const cause = causes.find((found) => found.field === field);
      assert.match(cause?.message ?? body, message);
    });
  }

  test('there is one object, and it has one name', async () => {
    const { status, body } = await put({}, 'other');
    assert.equal(status, 422);
    assert.match(body, /there is one object of this kind, named default/);
  });

  test('a field that does not exist is left out, with a warning', async () => {
    const spec = JSON.stringify({ spec: { http: { loud: true } } });
    const patch = ['patch', 'sluicesettings', 'default', '--type=merge', '-p', spec];
    await assert.rejects(plane.kubectl(...patch, '--warnings-as-errors'), /unknown field "spec.http.loud"/);
    const { body } = await plane.request(`${PATH}/default`);
    assert.equal(JSON.parse(body).spec.http?.loud, undefined);
  });

  test('what only the product can judge is told in the status, and what was in force stays', async () => {
    assert.equal((await put({ ingress: { requestTimeout: '99999999h' } })).status, 200);
    await untilStatus(
      {
        status: 'False',
        reason: 'Invalid',
        message: 'spec.ingress.requestTimeout: must be a duration such as 500ms, 30s or 1m30s, not "99999999h"',
      },
      { status: 'False', reason: 'NotAccepted' },
    );
    const services = await plane.kubectl('get', 'services', '-o', 'name');
    assert.doesNotMatch(services, /cilium-ingress-web/);
  });

  test('what agents take from the file is named', async () => {
    assert.equal((await put({ envoy: { logLevel: 'debug' } })).status, 200);
    await untilStatus({ status: 'True' }, { status: 'False', reason: 'NeedsRestart' });
    const { conditions } = await conditionsOf();
    assert.match(JSON.stringify(conditions.get('Applied')), /envoy\.logLevel/);
  });

  test('without the object the file counts again', async () => {
    await plane.request(`${PATH}/default`, { method: 'DELETE' });
    await eventually(() => plane.kubectl('get', 'service', 'cilium-ingress-web'), { withinMs: 30_000 });
  });

  test('an object that goes with its CRD is gone', async () => {
    assert.equal((await put({ ingress: { hostNetwork: { enabled: true } } })).status, 201);
    await eventually(async () => assert.doesNotMatch(await plane.kubectl('get', 'services', '-o', 'name'), /cilium-ingress-web/), {
      withinMs: 30_000,
    });
    await plane.kubectl('delete', 'crd', 'sluicesettings.sluice.io', '--wait=false');
    await eventually(() => plane.kubectl('get', 'service', 'cilium-ingress-web'), { withinMs: 60_000 });
  });
});
