import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KubeObject, refOf } from '../../kube/index.ts';
import type { ObjectRef } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, ingressClassObject, ingressObject, secretObject, serviceObject } from '../../testkit/kube-objects.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { SnapshotCache } from '../../xds-server/serve/index.ts';
import { Pipeline } from './pipeline.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 150);
const HTTPS = 'ingress.cilium.io/force-https';
const PASSTHROUGH = 'ingress.cilium.io/tls-passthrough';
const HOST_PORT = 'ingress.cilium.io/host-listener-port';

function rule(host: string | undefined, path: string, name: string) {
  const backend = { service: { name, port: { number: 80 } } };
  return { host, http: { paths: [{ path, pathType: 'Prefix', backend }] } };
}

function ingress(name: string, spec: object, annotations: Record<string, string> = {}, year = 2020): KubeObject {
  const creationTimestamp = `${year}-01-01T00:00:00Z`;
  return ingressObject({ ingressClassName: 'cilium', ...spec }, { name, annotations, creationTimestamp });
}

function many(count: number): KubeObject {
  return ingress('many', { rules: Array.from({ length: count }, (_, index) => rule(`${index}.many.test`, '/', 'web')) });
}

function slice(name: string, service: string, addresses: readonly string[]): KubeObject {
  const labels = { 'kubernetes.io/service-name': service };
  return endpointSliceObject(
    { endpoints: addresses.map((address) => ({ addresses: [address] })), ports: [{ port: 80 }] },
    { name, labels },
  );
}

function secret(name: string, expired = false): KubeObject {
  const notAfter = expired ? { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') } : {};
  const { certificate, privateKey } = makeCertificate({ names: ['a.test'], ...notAfter });
  return secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }, 'kubernetes.io/tls', { name });
}

const TLS = [{ hosts: ['a.test'], secretName: 's1' }];

/** Every object that a history knows, each with the contents that it may have. */
const UNIVERSE: readonly (readonly KubeObject[])[] = [
  [
    ingress('i1', { rules: [rule('a.test', '/', 'web'), rule('*.wild.test', '/', 'other')] }),
    ingress('i1', { rules: [rule('a.test', '/one', 'web')], tls: TLS }, { [HTTPS]: 'enabled' }, 2022),
    ingress('i1', { ingressClassName: 'elsewhere', rules: [rule('a.test', '/', 'web')] }),
    ingress('i1', { rules: [rule('a.test', '/', 'web')], tls: TLS }, { [HOST_PORT]: '9000' }),
  ],
  [
    ingress('i2', { rules: [rule('a.test', '/', 'other'), rule(undefined, '/any', 'web')] }, {}, 2021),
    ingress('i2', { rules: [rule('a.test', '/', 'other')] }, { [PASSTHROUGH]: 'enabled' }, 2021),
    ingress('i2', { rules: [rule('a.test', '/', 'web')], tls: [{ hosts: ['a.test'], secretName: 's2' }] }, {}, 2021),
    ingress('i2', { defaultBackend: { service: { name: 'other', port: { number: 80 } } }, tls: [{ secretName: 's1' }] }, {}, 2021),
  ],
  [ingress('i3', { ingressClassName: undefined, rules: [rule('c.test', '/', 'outside')] })],
  [many(254), many(300)],
  [
    serviceObject({ ports: [{ port: 80 }] }),
    serviceObject({ ports: [{ port: 80, appProtocol: 'kubernetes.io/h2c' }] }),
    serviceObject({ ports: [{ port: 81 }] }),
  ],
  [
    serviceObject({ ports: [{ port: 80 }] }, { name: 'other' }),
    serviceObject({ type: 'ExternalName', externalName: 'x.test' }, { name: 'other' }),
  ],
  [serviceObject({ type: 'ExternalName', externalName: 'x.test' }, { name: 'outside' })],
  [slice('e1', 'web', ['10.0.0.1']), slice('e1', 'web', ['10.0.0.1', '10.0.0.2']), slice('e1', 'other', ['10.0.0.3'])],
  [slice('e2', 'web', []), slice('e2', 'web', ['10.0.0.1', '10.0.0.4'])],
  [secret('s1'), secret('s1', true), secretObject({ 'tls.crt': 'broken' }, 'kubernetes.io/tls', { name: 's1' })],
  [secret('s2')],
  [
    ingressClassObject('cilium', 'cilium.io/ingress-controller', {
      annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' },
    }),
    ingressClassObject('cilium', 'example.com/other'),
  ],
];

/** For some objects: which content they get, or none. */
const batch = fc.uniqueArray(fc.record({ object: fc.nat(UNIVERSE.length - 1), content: fc.option(fc.nat(3)) }), {
  selector: ({ object }) => object,
  minLength: 1,
  maxLength: 5,
});

function newPipeline(): Pipeline {
  return new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date() });
}

test('after any history a pipeline is as a new one, and all that it publishes on the way is consistent', () => {
  const property = fc.property(fc.array(batch, { minLength: 1, maxLength: 12 }), (history) => {
    const pipeline = newPipeline();
    const cache = new SnapshotCache();
    const present = new Map<number, KubeObject>();
    for (const steps of history) {
      const upserts: KubeObject[] = [];
      const removals: ObjectRef[] = [];
      for (const { object, content } of steps) {
        const contents = UNIVERSE[object] ?? [];
        const chosen = content === null ? undefined : contents[content % contents.length];
        if (chosen) {
          upserts.push(chosen);
          present.set(object, chosen);
        } else {
          removals.push(...contents.slice(0, 1).map(refOf));
          present.delete(object);
        }
      }
      cache.apply(pipeline.apply({ upserts, removals }));
    }
    const fresh = newPipeline();
    const freshCache = new SnapshotCache();
    freshCache.apply(fresh.apply({ upserts: [...present.values()].toReversed(), removals: [] }));
    assert.deepEqual(pipeline.resources(), fresh.resources());
    assert.deepEqual(pipeline.diagnostics(), fresh.diagnostics());
    assert.deepEqual(published(cache), published(freshCache));
  });
  fc.assert(property, { numRuns: RUNS });
});

/** By type and name, with the hash of the content. */
function published(cache: SnapshotCache): readonly string[] {
  const resources = [...cache.typeUrls()].flatMap((typeUrl) => [...cache.ofType(typeUrl).values()].map(({ resource }) => resource));
  return resources.map(({ typeUrl, name, version }) => `${typeUrl} ${name} ${version}`).sort();
}
