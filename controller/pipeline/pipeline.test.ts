import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { type EndpointSlice, type Ingress, type KubeObject, refOf, type Service } from '../../kube/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { endpointSliceObject, ingressObject, secretObject, serviceObject } from '../../testkit/kube-objects.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import type { ResourceChange, ResourceName } from '../../xds-server/serve/resource.ts';
import { resourceTypeOf } from '../render.ts';
import { Pipeline } from './pipeline.ts';

const NOW = new Date();

function pipelineWith(...objects: readonly KubeObject[]): Pipeline {
  const pipeline = new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, asOf: NOW });
  pipeline.apply({ upserts: objects, removals: [] });
  return pipeline;
}

function service(name: string): Service {
  return serviceObject({ ports: [{ port: 80, targetPort: 8080 }] }, { name });
}

function endpoints(name: string, ...addresses: readonly string[]): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': name };
  return endpointSliceObject(
    { endpoints: addresses.map((address) => ({ addresses: [address] })), ports: [{ port: 8080 }] },
    { name, labels },
  );
}

function route(host: string, options: { readonly path?: string; readonly service?: string; readonly name?: string } = {}): Ingress {
  const backend = { service: { name: options.service ?? 'web', port: { number: 80 } } };
  const paths = [{ path: options.path ?? '/', pathType: 'Prefix', backend }];
  const name = options.name ?? host.replaceAll('*', 'wildcard');
  return ingressObject({ ingressClassName: 'cilium', rules: [{ host, http: { paths } }] }, { name });
}

function withTls(ingress: Ingress, host: string): Ingress {
  return { ...ingress, spec: { ...ingress.spec, tls: [{ hosts: [host], secretName: 'web-tls' }] } };
}

function certificate() {
  const { certificate, privateKey } = makeCertificate({ names: ['a.test'] });
  return secretObject({ 'tls.crt': certificate, 'tls.key': privateKey });
}

/** `cluster default:web:80` for what is set, with a minus in front for what is removed. */
function summary({ upserts, removals }: ResourceChange): readonly string[] {
  return [...upserts.map(label), ...removals.map((removal) => `-${label(removal)}`)].sort();
}

function label({ typeUrl, name }: ResourceName): string {
  return `${resourceTypeOf(typeUrl)} ${name}`;
}

/** What some objects change of that which listeners lead to. */
function apply(pipeline: Pipeline, ...upserts: readonly KubeObject[]): readonly string[] {
  const before = new Set(pipeline.resources());
  pipeline.apply({ upserts, removals: [] });
  const after = pipeline.resources();
  const names = new Set(after.map(label));
  return summary({
    upserts: after.filter((resource) => !before.has(resource)),
    removals: [...before].filter((resource) => !names.has(label(resource))),
  });
}

describe('a change touches what depends on it and nothing else', () => {
  const objects = () => [
    service('web'),
    endpoints('web', '10.0.0.1'),
    service('other'),
    route('a.test'),
    route('b.test', { service: 'other' }),
  ];

  test('an endpoint changes one endpoint resource', () => {
    const pipeline = pipelineWith(...objects());
    assert.deepEqual(apply(pipeline, endpoints('web', '10.0.0.1', '10.0.0.2')), ['endpoint default/web:80']);
  });

  test('a route changes one route resource and no listener', () => {
    const pipeline = pipelineWith(...objects());
    assert.deepEqual(apply(pipeline, route('a.test', { path: '/new' })), ['route listener-insecure']);
  });

  test('the first route to a Service brings its cluster and endpoints, the last takes them away', () => {
    const pipeline = pipelineWith(...objects());
    const cluster = ['cluster default:other:80', 'endpoint default/other:80', 'route listener-insecure'];
    assert.deepEqual(apply(pipeline, route('b.test')), [`-${cluster[0]}`, `-${cluster[1]}`, cluster[2]]);
    assert.deepEqual(apply(pipeline, route('b.test', { service: 'other' })), cluster);
  });

  test('what no Ingress refers to changes nothing', () => {
    const pipeline = pipelineWith(...objects());
    const upserts = [service('unrelated'), endpoints('unrelated', '10.0.0.9'), certificate()];
    assert.deepEqual(summary(pipeline.apply({ upserts, removals: [] })), []);
  });

  test('the same objects again change nothing, and every resource stays the same object', () => {
    const pipeline = pipelineWith(...objects());
    const before = pipeline.resources();
    assert.deepEqual(summary(pipeline.apply({ upserts: objects(), removals: [] })), []);
    const after = pipeline.resources();
    assert.equal(after.length, before.length);
    assert.ok(after.every((resource, index) => resource === before[index]));
  });

  test('a new certificate in a Secret changes the secret resource only', () => {
    const pipeline = pipelineWith(...objects(), certificate(), withTls(route('a.test'), 'a.test'));
    assert.deepEqual(apply(pipeline, certificate()), ['secret default/web-tls']);
  });

  test('time that passes changes what is said of a certificate, not what is served', () => {
    const pipeline = pipelineWith(...objects(), certificate(), withTls(route('a.test'), 'a.test'));
    assert.deepEqual(pipeline.diagnostics(), []);
    assert.deepEqual(summary(pipeline.advance(new Date(NOW.getTime() + 365 * 24 * 3_600_000))), []);
    assert.deepEqual(
      pipeline.diagnostics().map(({ code }) => code),
      ['CertificateExpired'],
    );
  });
});

describe('a large route table', () => {
  const WHOLE = 256;
  /** Two of them wildcards. */
  const hosts = [...Array.from({ length: WHOLE - 2 }, (_, index) => `host-${index}.test`), '*.wild.test', '*.other.test'];
  const objects = [service('web'), ...hosts.map((host) => route(host))];

  function routesOf(pipeline: Pipeline): ReadonlyMap<string, readonly string[]> {
    const routes = pipeline.resources().filter(({ typeUrl }) => resourceTypeOf(typeUrl) === 'route');
    return new Map(
      routes.map(({ name, body }) => [name, fromBinary(RouteConfigurationSchema, body).virtualHosts.map((host) => host.name)]),
    );
  }

  test('is one route configuration as long as it has 256 hosts, and is divided beyond', () => {
    const pipeline = pipelineWith(...objects);
    assert.deepEqual([...routesOf(pipeline).keys()], ['listener-insecure']);
    const change = apply(pipeline, route('one-more.test'));
    assert.ok(change.includes('-route listener-insecure'));
    assert.ok(change.includes('listener http'));
    const scopes = change.filter((name) => name.startsWith('scope '));
    const names = [...hosts.filter((host) => !host.startsWith('*')), 'one-more.test', '*'];
    assert.deepEqual(scopes, names.map((host) => `scope listener-insecure/${host}`).sort());
    const routes = routesOf(pipeline);
    assert.deepEqual(routes.get('listener-insecure/wildcards'), ['*.other.test', '*.wild.test']);
    assert.deepEqual([...routes.values()].flat().sort(), [...hosts, 'one-more.test'].sort());
  });

  test('changes in one shard only, and nothing else is published, where it is much larger', () => {
    const more = Array.from({ length: 400 }, (_, index) => route(`more-${index}.test`));
    const pipeline = pipelineWith(...objects, ...more);
    const published = (ingress: Ingress) => summary(pipeline.apply({ upserts: [ingress], removals: [] }));
    const [shard] = [...routesOf(pipeline)].find(([, members]) => members.includes('host-7.test')) ?? [];
    assert.deepEqual(published(route('host-7.test', { path: '/new' })), [`route ${shard}`]);
    assert.deepEqual(published(route('*.wild.test', { path: '/new' })), ['route listener-insecure/wildcards']);
  });

  test('becomes one again, as if it had never been divided', () => {
    const pipeline = pipelineWith(...objects, route('one-more.test'));
    pipeline.apply({ upserts: [], removals: [refOf(route('one-more.test'))] });
    assert.deepEqual(pipeline.resources(), pipelineWith(...objects).resources());
  });
});
