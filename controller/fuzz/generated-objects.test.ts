import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { KubeObject } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, ingressObject, secretObject, serviceObject } from '../../testkit/kube-objects.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { SnapshotCache } from '../../xds-server/serve/cache.ts';
import { type NamedResources, staticBootstrap } from '../golden/static-bootstrap.ts';
import { Pipeline } from '../pipeline/pipeline.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const RUNS = 2_000;
/** So many of what comes out is judged by Envoy. */
const JUDGED = 400;

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }));
const label = fc.constantFrom('a', 'b-c', 'www', 'xn--bcher-kva', '*', '-', '', 'A', 'a_b', 'x'.repeat(63), 'x'.repeat(64));
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  fc.constantFrom('*.com', '*', '*.*.a', '10.0.0.1', '[::1]', 'a.test:80', 'a.test.'),
  text,
);
const regexPart = fc.constantFrom(
  'a',
  '.',
  '.*',
  '[a-z]+',
  '(',
  ')',
  '|',
  '(?:x|y)',
  '\\d',
  '\\',
  '{2}',
  '{1,9999}',
  '^',
  '$',
  '(?=x)',
  '\\1',
  '[',
  '(?i)',
);
const path = fc.oneof(
  fc
    .array(fc.constantFrom('a', '', '..', '.', '%2f', 'ü', 'a b', '*', '?x', '#', 'A'), { maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`),
  fc.array(regexPart, { minLength: 1, maxLength: 6 }).map((parts) => `/${parts.join('')}`),
  text,
);
const annotations = fc.dictionary(
  fc.constantFrom(
    'ingress.cilium.io/force-https',
    'ingress.cilium.io/request-timeout',
    'ingress.cilium.io/tls-passthrough',
    'ingress.cilium.io/host-listener-port',
    'ingress.cilium.io/loadbalancer-mode',
  ),
  fc.oneof(
    fc.constantFrom('enabled', 'disabled', 'true', 'false', '30s', '0s', '-1s', '1e9s', '9000', '80', '65536', 'shared', 'dedicated'),
    text,
  ),
  { maxKeys: 3 },
);
const backend = fc.record({
  service: fc.record({
    name: fc.constantFrom('web', 'grpc', 'none'),
    port: fc.constantFrom({ number: 80 }, { name: 'http' }, { number: 1 }),
  }),
});
const rule = fc.record({
  host,
  http: fc.record({
    paths: fc.array(fc.record({ path, pathType: fc.constantFrom('Prefix', 'Exact', 'ImplementationSpecific'), backend }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
});
const ingress = fc
  .record({
    annotations,
    name: fc.constantFrom('a', 'b', 'c'),
    spec: fc.record({
      ingressClassName: fc.constant('cilium'),
      rules: fc.array(rule, { maxLength: 3 }),
      tls: fc.array(fc.record({ hosts: fc.array(host, { maxLength: 2 }), secretName: fc.constantFrom('web-tls', 'none') }), {
        maxLength: 2,
      }),
    }),
  })
  .map(({ annotations, name, spec }) => ingressObject(spec, { name, annotations }));
const objects = fc.uniqueArray(ingress, { minLength: 1, maxLength: 3, selector: ({ metadata }) => metadata.name });

const { certificate, privateKey } = makeCertificate({ names: ['a.test'] });
const FIXED: readonly KubeObject[] = [
  serviceObject({ ports: [{ name: 'http', port: 80 }] }),
  serviceObject({ ports: [{ name: 'http', port: 80, appProtocol: 'kubernetes.io/h2c' }], sessionAffinity: 'ClientIP' }, { name: 'grpc' }),
  endpointSliceObject(
    { endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ name: 'http', port: 8080 }] },
    { labels: { 'kubernetes.io/service-name': 'web' } },
  ),
  secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }),
];

test(
  `whatever Ingresses say, it is translated consistently, and Envoy takes it (seed ${SEED}, SLUICE_FUZZ_SEED)`,
  needs('envoy'),
  async (context) => {
    using folder = new TemporaryFolder();
    const judged: NamedResources[] = [];
    let count = 0;
    fc.assert(
      fc.property(objects, (ingresses) => {
        const pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date() });
        // Throws where anything refers to what is not there.
        new SnapshotCache().apply(pipeline.apply({ upserts: [...FIXED, ...ingresses], removals: [] }));
        pipeline.diagnostics();
        count += 1;
        if (count % (RUNS / JUDGED) === 0) judged.push({ name: `case-${count}`, resources: pipeline.resources() });
      }),
      { seed: SEED, numRuns: RUNS },
    );
    assert.equal(judged.length, JUDGED);
    const file = folder.join('all.pb');
    writeFileSync(file, staticBootstrap(judged, DEFAULT_SETTINGS.envoy.regexMaxProgramSize));
    const args = ['--mode', 'validate', '-c', file, '-l', 'error', '--disable-hot-restart', '--concurrency', '1'];
    const { stdout } = await promisify(execFile)(envoyBinary(), args);
    assert.match(stdout, /OK/);
    context.diagnostic(`${count} generated, ${JUDGED} judged by Envoy`);
  },
);
