import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import type { RunningLab } from '../conformance/lab/running-lab.ts';
import { startLabWithSluice } from '../conformance/lab/sluice.ts';
import { readAuditLog } from '../testkit/audit-log.ts';
import { needs } from '../testkit/capabilities.ts';
import { eventually } from '../testkit/eventually.ts';
import { makeCertificate } from '../testkit/make-certificate.ts';
import { type IngressManifest, ingressManifest, secretManifest, serviceManifest } from '../testkit/manifest-objects.ts';
import { compareRights, type RightsManifest, rightsOf } from './rights.ts';

const MANIFESTS = loadAll(readFileSync(new URL('install.yaml', import.meta.url), 'utf8')) as readonly RightsManifest[];
const SYSTEM = ['-n', 'sluice-system'];
/** A certificate of a node, and most things that need both a controller and a kubelet. */
const WITHIN = { withinMs: 60_000 };
/** Longer than an authority that signs no more is trusted. */
const LONG_AGO = new Date(Date.now() - 40 * 3_600_000).toISOString();
const MIN_REQUESTS = 80;
const MIN_RIGHTS = 35;

const eventsView = z.object({
  items: z.array(
    z.object({
      reason: z.string(),
      regarding: z.object({ name: z.string() }),
      series: z.object({ count: z.int() }).optional(),
    }),
  ),
});

describe('the rights of install.yaml', { ...needs('cluster', 'root', 'envoy'), timeout: 600_000 }, () => {
  let lab: RunningLab;
  before(async () => {
    lab = await startLabWithSluice({ nodes: 1 });
  });
  after(() => lab[Symbol.asyncDispose]());

  const addressOf = (ingress: string) => lab.kubectl('get', 'ingress', ingress, '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}');
  const apply = (name: string, options: IngressManifest) =>
    lab.apply([ingressManifest(name, { rules: { [`${name}.test`]: 'web' }, ...options })]);
  const namesOf = async (resource: string) => await lab.kubectl('get', resource, '-o', 'name');
  const leader = async () =>
    (await lab.kubectl('get', 'lease', 'sluice-controller', ...SYSTEM, '-o', 'jsonpath={.spec.holderIdentity}')).split('_')[0] ?? '';
  const timesTold = async (ingress: string, reason: string) => {
    const { items } = eventsView.parse(JSON.parse(await lab.kubectl('get', 'events.events.k8s.io', '-o', 'json')));
    const found = items.find((event) => event.regarding.name === ingress && event.reason === reason);
    assert.ok(found, `no Event ${reason} about ${ingress}`);
    return found.series?.count ?? 1;
  };

  test('Ingresses with a Service each and together, with TLS, are served and have addresses', async () => {
    await lab.apply([serviceManifest('web'), secretManifest('web', makeCertificate({ names: ['own.test'] }))]);
    await apply('own', { tls: { web: ['own.test'] } });
    await apply('together', { annotations: { 'loadbalancer-mode': 'shared' } });
    for (const name of ['own', 'together']) await eventually(async () => assert.match(await addressOf(name), /^10\.250\./), WITHIN);
  });

  test('users are told what is wrong, and of their settings', async () => {
    await apply('lost', { rules: { 'lost.test': 'nowhere' } });
    await eventually(async () => assert.equal(await timesTold('lost', 'ServiceNotFound'), 1), WITHIN);
    const everyNode = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'Exists' }] };
    const spec = { ingress: { requestTimeout: '30s', nodes: everyNode } };
    await lab.apply([{ apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceSettings', metadata: { name: 'default' }, spec }]);
    await lab.kubectl('wait', '--for=condition=Applied', 'sluicesettings/default', '--timeout=30s');
  });

  test('what an Ingress does not need any more is removed', async () => {
    await apply('own', { tls: { web: ['own.test'] }, annotations: { 'loadbalancer-mode': 'shared' } });
    const left = async () => `${await namesOf('services')}${await namesOf('endpointslices')}`;
    await eventually(async () => assert.doesNotMatch(await left(), /cilium-ingress-own/), WITHIN);
  });

  test('the next leader goes on, with the authority of the cluster as well', async () => {
    const authority = await lab.kubectl('get', 'secret', 'sluice-ca', ...SYSTEM, '-o', 'jsonpath={.data.ca\\.crt}');
    const data = { 'previous.crt': authority, since: Buffer.from(LONG_AGO).toString('base64') };
    await lab.kubectl('patch', 'secret', 'sluice-ca', ...SYSTEM, '-p', JSON.stringify({ data }));
    const first = await leader();
    await lab.kubectl('delete', 'pod', first, ...SYSTEM);
    await eventually(async () => assert.ok(![first, ''].includes(await leader())), WITHIN);
    await eventually(async () => assert.ok((await timesTold('lost', 'ServiceNotFound')) > 1), WITHIN);
    await eventually(async () => {
      const previous = await lab.kubectl('get', 'secret', 'sluice-ca', ...SYSTEM, '-o', 'jsonpath={.data.previous\\.crt}');
      assert.equal(previous, '', 'what is over is still trusted');
    }, WITHIN);
  });

  test('what is deleted leaves nothing', async () => {
    await apply('short', {});
    await eventually(async () => assert.match(await addressOf('short'), /^10\.250\./), WITHIN);
    await lab.kubectl('delete', 'ingress', '--all');
    await lab.kubectl('delete', 'sluicesettings', 'default');
    await eventually(async () => assert.doesNotMatch(await namesOf('services'), /cilium-ingress/), WITHIN);
  });

  test('are exactly what was used', (t) => {
    const rights = rightsOf(MANIFESTS);
    const events = readAuditLog(lab.auditLog);
    const own = events.filter(({ user }) => user.username.startsWith('system:serviceaccount:sluice-system:'));
    t.diagnostic(`${rights.length} rights, ${own.length} requests`);
    assert.ok(rights.length >= MIN_RIGHTS && own.length >= MIN_REQUESTS, `${rights.length} rights, ${own.length} requests`);
    assert.deepEqual(compareRights(rights, events), { refused: [], ungranted: [], unused: [], superfluous: [] });
  });
});
