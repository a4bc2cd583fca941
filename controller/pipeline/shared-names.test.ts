import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import type { Address } from '@sluice/envoy-protos/envoy/config/core/v3/address_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { type KubeObject, refOf } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, envoyConfigObject, ingressObject, secretObject, serviceObject } from '../../testkit/kube-objects.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ENDPOINTS } from '../../xds-server/translate/types.ts';
import { Pipeline } from './pipeline.ts';

const API = 'type.googleapis.com/envoy';
const AT = '10.9.9.9';
const { certificate, privateKey } = makeCertificate({ names: ['a.test'] });

const cluster = (connectTimeout = '1s') => ({
  '@type': `${API}.config.cluster.v3.Cluster`,
  name: 'default/web',
  type: 'EDS',
  connectTimeout,
  edsClusterConfig: { serviceName: 'default/web:80' },
});
const inlineEndpoints = {
  '@type': `${API}.config.endpoint.v3.ClusterLoadAssignment`,
  clusterName: 'default/web:80',
  endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: AT, portValue: 80 } } } }] }],
};
const inlineSecret = {
  '@type': `${API}.extensions.transport_sockets.tls.v3.Secret`,
  name: 'default/web-tls',
  tlsCertificate: { certificateChain: { inlineString: certificate }, privateKey: { inlineString: privateKey } },
};
const secretUser = {
  '@type': `${API}.config.cluster.v3.Cluster`,
  name: 'own',
  type: 'STATIC',
  transportSocket: {
    name: 'tls',
    typedConfig: {
      '@type': `${API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: 'default/web-tls' }] },
    },
  },
};

/** @param day of its creation */
function config(name: string, day: number, ...resources: readonly object[]): KubeObject {
  return envoyConfigObject({ backendServices: [{ name: 'web' }], resources }, { name, creationTimestamp: `2026-01-0${day}T00:00:00Z` });
}

const WEB = [
  serviceObject({ ports: [{ port: 80 }] }),
  endpointSliceObject(
    { endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 8080 }] },
    { labels: { 'kubernetes.io/service-name': 'web' } },
  ),
  secretObject({ 'tls.crt': certificate, 'tls.key': privateKey }),
];

class Scene {
  readonly pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: new Date() });

  constructor() {
    this.take(WEB);
  }

  /** @returns the names of what came and went */
  take(upserts: readonly KubeObject[], removals: readonly KubeObject[] = []) {
    const change = this.pipeline.apply({ upserts, removals: removals.map(refOf) });
    return { came: change.upserts.map(({ name }) => name), went: change.removals.map(({ name }) => name) };
  }

  get told(): readonly string[] {
    return this.pipeline.diagnostics().map(({ code, object }) => `${object?.name} ${code}`);
  }

  get endpoints(): readonly string[] {
    const found = this.pipeline.resources().filter(({ typeUrl, name }) => typeUrl === ENDPOINTS && name === 'default/web:80');
    return found.flatMap(({ body }) =>
      fromBinary(ClusterLoadAssignmentSchema, body).endpoints.flatMap(({ lbEndpoints }) =>
        lbEndpoints.flatMap(({ hostIdentifier }) => {
          if (hostIdentifier.case !== 'endpoint') return [];
          const { address, additionalAddresses } = hostIdentifier.value;
          return [address, ...additionalAddresses.map((other) => other.address)].map(textOf);
        }),
      ),
    );
  }
}

function textOf(address: Address | undefined): string {
  return address?.address.case === 'socketAddress' ? address.address.value.address : '';
}

const NOTHING = { came: [], went: [] };
const [first, second] = [config('first', 1, cluster()), config('second', 2, cluster())];

describe('a name that several configs have', () => {
  test('is all of theirs where it is of the same to the byte, as long as one has it', () => {
    const scene = new Scene();
    assert.deepEqual(scene.take([second]).came.toSorted(), ['default/web', 'default/web:80']);
    assert.deepEqual(scene.take([first]), NOTHING);
    const sources = scene.pipeline.sourcesOf({ typeUrl: `${API}.config.cluster.v3.Cluster`, name: 'default/web' });
    assert.deepEqual(
      sources.map(({ object }) => object.name),
      ['first', 'second'],
    );
    assert.deepEqual(scene.told, []);
    assert.deepEqual(scene.take([], [first]), NOTHING);
    assert.deepEqual(scene.take([], [second]).went.toSorted(), ['default/web', 'default/web:80']);
  });

  test('is the oldest’s where it is not, and the others’ whole refused until it is', () => {
    const scene = new Scene();
    scene.take([first, second]);
    assert.deepEqual(scene.take([config('first', 1, cluster('2s'))]).came, ['default/web']);
    assert.deepEqual(scene.told, ['second NameTaken']);
    assert.deepEqual(scene.take([config('second', 2, cluster('2s'))]), NOTHING);
    assert.deepEqual(scene.told, []);
  });
});

describe('a name that a config has, and others of a Service or Secret', () => {
  for (const [what, own, user] of [
    ['endpoints', inlineEndpoints, cluster()],
    ['a certificate', inlineSecret, secretUser],
  ] as const) {
    test(`is the older’s: ${what}`, () => {
      const scene = new Scene();
      scene.take([config('own', 1, own), config('user', 2, user)]);
      assert.deepEqual(scene.told, ['user NameTaken']);
      scene.take([config('own', 3, own)]);
      assert.deepEqual(scene.told, ['own NameTaken']);
    });
  }

  test('is what Ingresses have it for, whoever comes and goes', () => {
    const scene = new Scene();
    const tls = [{ hosts: ['a.test'], secretName: 'web-tls' }];
    const ingress = ingressObject({ ingressClassName: 'cilium', tls, defaultBackend: { service: { name: 'web', port: { number: 80 } } } });
    const own = config('own', 1, inlineEndpoints, inlineSecret);
    scene.take([own]);
    assert.deepEqual(scene.endpoints, [AT]);
    scene.take([ingress]);
    assert.deepEqual(scene.endpoints, ['10.0.0.1']);
    assert.deepEqual(scene.take([], [own]), NOTHING);
    assert.deepEqual(scene.endpoints, ['10.0.0.1']);
  });

  test('has both families for configs, also where an Ingress leads there, and is not touched where there is one', () => {
    const scene = new Scene();
    const ingress = ingressObject({ ingressClassName: 'cilium', defaultBackend: { service: { name: 'web', port: { number: 80 } } } });
    const user = config('user', 1, cluster());
    scene.take([ingress]);
    assert.deepEqual(scene.take([user]).came, ['default/web']);
    scene.take([], [user]);
    const slices = ['10.0.0.1', 'fd00::1'].map((address, index) =>
      endpointSliceObject(
        {
          addressType: index === 0 ? 'IPv4' : 'IPv6',
          endpoints: [{ addresses: [address], targetRef: { kind: 'Pod', name: 'web-1', namespace: 'default' } }],
          ports: [{ port: 8080 }],
        },
        { name: `web-${index + 1}`, labels: { 'kubernetes.io/service-name': 'web' } },
      ),
    );
    scene.take([serviceObject({ ports: [{ port: 80 }], ipFamilies: ['IPv4', 'IPv6'] }), ...slices]);
    assert.deepEqual(scene.endpoints, ['10.0.0.1']);
    scene.take([user]);
    assert.deepEqual(scene.endpoints, ['10.0.0.1', 'fd00::1']);
    scene.take([], [user]);
    assert.deepEqual(scene.endpoints, ['10.0.0.1']);
  });
});
