import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settingsSchema } from '../../settings/index.ts';
import { Report } from '../report.ts';
import { ingestServiceOptions, type ServiceOptions } from './service-options.ts';

const DEFAULTS: ServiceOptions = {
  type: 'LoadBalancer',
  loadBalancerClass: undefined,
  externalTrafficPolicy: 'Cluster',
  insecureNodePort: undefined,
  secureNodePort: undefined,
};

type Annotations = Readonly<Record<string, string>>;

const CASES: readonly (readonly [annotations: Annotations, expected: Partial<ServiceOptions>, codes?: readonly string[]])[] = [
  [{}, {}],
  [{ 'service-type': 'NodePort' }, { type: 'NodePort' }],
  [{ 'service-type': 'ClusterIP' }, { type: 'ClusterIP' }],
  [{ 'service-type': 'nodeport' }, {}, ['InvalidAnnotation']],
  [{ 'service-type': 'ExternalName' }, {}, ['InvalidAnnotation']],
  [{ 'io.cilium.ingress/service-type': 'NodePort' }, { type: 'NodePort' }],
  [{ 'service-external-traffic-policy': 'Local' }, { externalTrafficPolicy: 'Local' }],
  [{ 'service-external-traffic-policy': 'local' }, {}, ['InvalidAnnotation']],
  [{ 'loadbalancer-class': 'example.com/lb' }, { loadBalancerClass: 'example.com/lb' }],
  [{ 'loadbalancer-class': '' }, {}, ['InvalidAnnotation']],
  [
    { 'insecure-node-port': '30080', 'secure-node-port': '32767' },
    { insecureNodePort: 30_080, secureNodePort: 32_767 },
  ],
  [{ 'insecure-node-port': '29999' }, { insecureNodePort: 29_999 }, ['NodePortOutOfRange']],
  [{ 'secure-node-port': '32768' }, { secureNodePort: 32_768 }, ['NodePortOutOfRange']],
  [{ 'secure-node-port': '0' }, {}, ['InvalidAnnotation']],
  [{ 'secure-node-port': 'https' }, {}, ['InvalidAnnotation']],
];

describe('the Service of an Ingress is asked for by', () => {
  for (const [annotations, expected, codes = []] of CASES) {
    it(`${JSON.stringify(annotations)}: ${JSON.stringify(expected)}`, () => {
      const entries = Object.entries(annotations).map(([key, value]) => [key.includes('/') ? key : `ingress.cilium.io/${key}`, value]);
      const report = new Report({ kind: 'Ingress', namespace: 'default', name: 'web' });
      const options = ingestServiceOptions(Object.fromEntries(entries), settingsSchema.parse({}).ingress.service, report);
      assert.deepEqual(options, { ...DEFAULTS, ...expected });
      assert.deepEqual(
        report.diagnostics.map(({ code, path }) => [code, path]),
        codes.map((code) => [code, ['metadata', 'annotations', entries[0]?.[0]]]),
      );
    });
  }

  it('the settings, but for node ports, which only one Service can have', () => {
    const service = { type: 'NodePort', externalTrafficPolicy: 'Local', loadBalancerClass: 'a/b', insecureNodePort: 30_080 };
    const { ingress } = settingsSchema.parse({ ingress: { service } });
    const report = new Report({ kind: 'Ingress', namespace: 'default', name: 'web' });
    assert.deepEqual(ingestServiceOptions({}, ingress.service, report), {
      ...DEFAULTS,
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      loadBalancerClass: 'a/b',
    });
  });

  it('the prefixes of labels and annotations that are copied, as by Cilium', () => {
    const expected = ['lbipam.cilium.io', 'nodeipam.cilium.io', 'service.beta.kubernetes.io', 'service.kubernetes.io', 'cloud.google.com'];
    assert.deepEqual(settingsSchema.parse({}).ingress.service.copiedPrefixes, expected);
  });
});
