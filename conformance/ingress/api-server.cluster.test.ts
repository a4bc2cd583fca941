import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openApiClient } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { type ManifestObject, secretManifest, serviceManifest } from '../../testkit/manifest-objects.ts';
import { ControlPlane } from '../lab/control-plane.ts';
import { ClusterPlatform } from './cluster.ts';
import { echoDeployment } from './echo-deployment.ts';
import { ingressOf } from './objects.ts';
import type { ObjectName } from './platform.ts';
import { addressesOf, metadataOf } from './read-object.ts';
import { runScenarios } from './runner.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { StandalonePlatform } from './standalone.ts';

const SERVICE = { port: { number: 80 }, name: 'a' };

describe('the suite on a real API server', needs('cluster'), () => {
  let plane: ControlPlane;
  let platform: ClusterPlatform;
  before(async () => {
    plane = await ControlPlane.start({ controllerManager: true });
    platform = new ClusterPlatform({ client: openApiClient({ kubeconfig: plane.kubeconfig }), ownAddress: '127.0.0.1' });
  });
  after(async () => await plane[Symbol.asyncDispose]());

  test('what it does to objects is done, and its namespaces end', async () => {
    const site = await platform.open();
    const namespace = 'conformance-test';
    await site.addNamespace(namespace);
    const name: ObjectName = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace, name: 'web' };
    const web = ingressOf('web', { defaultBackend: { service: SERVICE } }, { namespace, annotations: { first: 'yes' } });
    await site.apply(web);
    await site.apply(ingressOf('web', { defaultBackend: { service: SERVICE } }, { namespace }));
    const cluster = site.cluster();
    assert.deepEqual(metadataOf(await cluster.read(name)).annotations, {}, 'what is left out goes');
    await cluster.merge(name, { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } }, 'status');
    assert.deepEqual(addressesOf(await cluster.read(name)), ['192.0.2.1']);
    await cluster.merge(name, { status: { loadBalancer: { ingress: null } } }, 'status');
    assert.deepEqual(addressesOf(await cluster.read(name)), []);
    assert.equal((await cluster.list('networking.k8s.io/v1', 'Ingress', namespace)).length, 1);
    await site.deploy({ namespace, name: 'a', ingress: 'web', replicas: 0 });
    await site.remove(name);
    assert.equal(await cluster.read(name), undefined);
    await site.remove(name);
    assert.match((await platform.versions())['Kubernetes'] ?? '', /^v1\./);
    await site.close();
    await platform.close();
  });

  test('takes every object that scenarios are made of', async () => {
    const objects: ManifestObject[] = [
      echoDeployment({ namespace: 'default', name: 'a', ingress: 'web', replicas: 1, ready: false }),
      serviceManifest('plain'),
      secretManifest('unusable', { certificate: 'not a certificate', privateKey: 'not a key' }),
    ];
    const applicable = SCENARIOS.filter(({ needsCluster }) => needsCluster === undefined);
    const results = await runScenarios(new StandalonePlatform((object) => void objects.push(object)), applicable);
    assert.deepEqual(
      results.filter(({ outcome }) => outcome !== 'passed').map(({ scenario, message }) => `${scenario.name}: ${message}`),
      [],
    );
    const refused = (await Promise.all(objects.map(async (object, index) => await refusalOf(plane, object, index)))).flatMap(
      (text) => text ?? [],
    );
    assert.deepEqual(refused, []);
    assert.ok(objects.length > 300, `${objects.length} objects`);
  });
});

const PLURALS: Readonly<Record<string, string>> = { Ingress: 'ingresses', IngressClass: 'ingressclasses' };

/** What the API server has against an object; undefined where it would take it. */
async function refusalOf(plane: ControlPlane, object: ManifestObject, index: number): Promise<string | undefined> {
  const { apiVersion, kind, metadata } = object;
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = kind === 'IngressClass' ? '' : '/namespaces/default';
  const named = { ...metadata, ...(scope !== '' && { namespace: 'default' }), name: `${metadata.name}-${index}`.slice(-63) };
  const path = `${group}${scope}/${PLURALS[kind] ?? `${kind.toLowerCase()}s`}/${named.name}?dryRun=All&fieldManager=test&fieldValidation=Strict`;
  // An API server takes no endpoints on loopback, where those of a Sluice without cluster are.
  const body: unknown = JSON.parse(JSON.stringify({ ...object, metadata: named }).replaceAll('"127.0.0.1"', '"192.0.2.1"'));
  const { status, body: answer } = await plane.request(path, { method: 'PATCH', body, contentType: 'application/apply-patch+yaml' });
  return status < 300 ? undefined : `${kind} ${metadata.name}: ${status} ${answer.slice(0, 500)}`;
}
