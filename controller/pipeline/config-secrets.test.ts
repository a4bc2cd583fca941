import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { ciliumEnvoyConfigSpec, type KubeObject } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { envoyConfigObject, ingressObject, secretObject, serviceObject } from '../../testkit/kube-objects.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { SECRET } from '../../xds-server/translate/types.ts';
import { Pipeline } from './pipeline.ts';

const { certificate, privateKey } = makeCertificate({ names: ['a.test'] });
const other = makeCertificate({ names: ['b.test'] });
const NOW = new Date();

type Use = 'certificate' | 'authorities';
/** What Envoy knows each by. */
const NAMES: Readonly<Record<Use, string>> = { certificate: 'default/web-tls', authorities: 'authorities:default/web-tls' };

/** A config with a cluster that speaks TLS. */
function configUsing(use: Use, secret = 'default/web-tls', name = 'web'): KubeObject {
  const sds = { name: secret };
  const commonTlsContext = use === 'certificate' ? { tlsCertificateSdsSecretConfigs: [sds] } : { validationContextSdsSecretConfig: sds };
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const transportSocket = { name: 'tls', typedConfig: { '@type': type, commonTlsContext } };
  const cluster = { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'tls', type: 'STATIC', transportSocket };
  return envoyConfigObject({ resources: [cluster] }, { name });
}

class Scene {
  readonly pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: NOW });

  constructor(...objects: readonly KubeObject[]) {
    this.write(...objects);
  }

  write(...upserts: readonly KubeObject[]) {
    return this.pipeline.apply({ upserts, removals: [] });
  }

  secrets(): readonly string[] {
    return this.pipeline.resources().flatMap(({ typeUrl, name }) => (typeUrl === SECRET ? [name] : []));
  }

  findings(): readonly string[] {
    return this.pipeline.diagnostics().map(({ code, object }) => `${object?.name} ${code}`);
  }
}

const TLS = { 'tls.crt': certificate, 'tls.key': privateKey };
const CA = { 'ca.crt': certificate };

const CASES: readonly (readonly [string, Readonly<Record<string, string>>, Use, string | undefined])[] = [
  ['a certificate with its key', TLS, 'certificate', undefined],
  ['a certificate, its key and the authority of them', { ...TLS, ...CA }, 'certificate', undefined],
  ['an authority', CA, 'authorities', undefined],
  ['several authorities', { 'ca.crt': `${certificate}words\n${other.certificate}` }, 'authorities', undefined],
  ['a certificate', TLS, 'authorities', 'holds a certificate with its key; here it has to hold authorities'],
  ['a certificate beside its authority', { ...TLS, ...CA }, 'authorities', undefined],
  ['an authority beside a certificate without key', { 'tls.crt': certificate, ...CA }, 'authorities', undefined],
  ['an authority', CA, 'certificate', 'holds authorities (a validation context); here it has to hold a certificate with its key'],
  ['a certificate without key', { 'tls.crt': certificate }, 'certificate', 'tls.key'],
  ['the key of another certificate', { 'tls.crt': certificate, 'tls.key': other.privateKey }, 'certificate', 'key'],
  ['an authority that is none', { 'ca.crt': 'nobody' }, 'authorities', 'ca.crt has no certificate in PEM'],
  ['half an authority', { 'ca.crt': certificate.slice(0, 200) }, 'authorities', 'ca.crt has no certificate in PEM'],
  ['nothing of use', { password: 'x' }, 'authorities', 'has neither tls.crt with tls.key nor ca.crt'],
];

describe('a config that names a Secret', () => {
  for (const [what, data, use, problem] of CASES) {
    test(`of ${what} as ${use} ${problem === undefined ? 'is served' : 'is not'}`, () => {
      const scene = new Scene(secretObject(data, 'Opaque'), configUsing(use));
      assert.deepEqual(scene.secrets(), problem === undefined ? [NAMES[use]] : []);
      assert.deepEqual(scene.findings(), problem === undefined ? [] : ['web ConfigSecretUnusable']);
      const [{ message = '' } = {}] = scene.pipeline.diagnostics();
      assert.ok(message.includes(problem ?? ''), message);
    });
  }

  test('waits for it, and goes on without it no longer', () => {
    const scene = new Scene(configUsing('authorities'));
    assert.deepEqual(scene.pipeline.secretReferences, { needed: ['default/web-tls'], dropped: [] });
    assert.deepEqual(scene.findings(), ['web ConfigSecretUnusable']);
    scene.write(secretObject(CA));
    assert.deepEqual([scene.secrets(), scene.findings()], [[NAMES.authorities], []]);
    scene.pipeline.apply({ upserts: [], removals: [{ kind: 'Secret', namespace: 'default', name: 'web-tls' }] });
    assert.deepEqual([scene.secrets(), scene.findings()], [[], ['web ConfigSecretUnusable']]);
    scene.pipeline.apply({ upserts: [], removals: [{ kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'web' }] });
    assert.deepEqual(scene.pipeline.secretReferences, { needed: [], dropped: ['default/web-tls'] });
  });

  test('has both of one, the certificate and its authorities, where it or another names it for both', () => {
    const secret = secretObject({ ...TLS, ...CA });
    const scene = new Scene(secret, configUsing('certificate'), configUsing('authorities', 'default/web-tls', 'other'));
    assert.deepEqual([scene.secrets().toSorted(), scene.findings()], [Object.values(NAMES).toSorted(), []]);
    const clusters = scene.pipeline.resources().filter(({ name }) => name.endsWith('/tls'));
    const required = clusters.map(({ name, requires }) => [name, ...requires.map((each) => each.name)]);
    assert.deepEqual(required, [
      ['default/other/tls', NAMES.authorities],
      ['default/web/tls', NAMES.certificate],
    ]);
    for (const { name, body, requires } of clusters) assert.ok(Buffer.from(body).includes(requires[0]?.name ?? '?'), name);
    scene.write(secretObject(TLS));
    assert.deepEqual([scene.secrets(), scene.findings()], [[NAMES.certificate], ['other ConfigSecretUnusable']]);
    scene.write(secret);
    const kinds = Object.values(NAMES).map((name) => scene.pipeline.sourcesOf({ typeUrl: SECRET, name }).map(({ object }) => object.name));
    assert.deepEqual(kinds, [['web'], ['other']]);
  });

  test('keeps its own secret of such a name', () => {
    const own = { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', name: 'default/web-tls' };
    const validationContext = { trustedCa: { inlineString: certificate } };
    const config = configUsing('authorities');
    assert.ok(config.kind === 'CiliumEnvoyConfig');
    const [cluster] = ciliumEnvoyConfigSpec.parse(config.spec).resources;
    const scene = new Scene(envoyConfigObject({ resources: [cluster, { ...own, validationContext }] }));
    assert.deepEqual([scene.secrets(), scene.findings()], [['default/web-tls'], []]);
  });

  test('shares it with Ingresses, and leaves it to them', () => {
    const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
    const ingress = ingressObject({ ingressClassName: 'cilium', tls: [{ hosts: ['a.test'], secretName: 'web-tls' }], defaultBackend });
    const scene = new Scene(serviceObject({ ports: [{ port: 80 }] }), secretObject(TLS), configUsing('certificate'), ingress);
    assert.deepEqual(scene.secrets(), ['default/web-tls']);
    const kinds = () => scene.pipeline.sourcesOf({ typeUrl: SECRET, name: 'default/web-tls' }).map(({ object }) => object.kind);
    assert.equal(kinds().includes('CiliumEnvoyConfig'), true);
    scene.pipeline.apply({ upserts: [], removals: [{ kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'web' }] });
    assert.deepEqual(scene.secrets(), ['default/web-tls']);
    assert.equal(kinds().includes('CiliumEnvoyConfig'), false);
  });

  test('gets of its authorities what is a certificate, and no more', () => {
    const scene = new Scene(
      secretObject({ 'ca.crt': `top secret\n${certificate}\n${privateKey}${other.certificate}` }),
      configUsing('authorities'),
    );
    const found = scene.pipeline.resources().find(({ typeUrl }) => typeUrl === SECRET);
    assert.ok(found);
    const { type } = fromBinary(SecretSchema, found.body);
    assert.ok(type.case === 'validationContext' && type.value.trustedCa?.specifier.case === 'inlineString');
    assert.equal(type.value.trustedCa.specifier.value, certificate + other.certificate);
  });
});
