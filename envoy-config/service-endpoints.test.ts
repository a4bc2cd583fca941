import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendsOf, portsOf, serviceEndpoints } from './service-endpoints.ts';

const OBJECT = { kind: 'CiliumEnvoyConfig', namespace: 'shop', name: 'web' };
const SPEC = {
  services: [{ name: 'front', namespace: undefined, ports: [80], listener: undefined }],
  backendServices: [
    { name: 'api', namespace: undefined, number: ['8080', 'grpc'] },
    { name: 'all', namespace: 'other', number: [] },
  ],
  resources: [],
};
const BACKENDS = backendsOf(SPEC, 'shop');

for (const [name, port] of [
  ['shop/front', undefined],
  ['shop/front:*', undefined],
  ['shop/front:80', '80'],
  ['shop/front:http', 'http'],
  ['shop/api:8080', '8080'],
  ['shop/api:grpc', 'grpc'],
  ['other/all', undefined],
  ['other/all:1', '1'],
] as const) {
  test(`${name} are endpoints of a Service that the config names`, () => {
    const found = serviceEndpoints(name, BACKENDS, OBJECT);
    assert.equal(`${found?.namespace}/${found?.service}`, name.replace(/:.*/, ''));
    assert.equal(found?.port, port);
  });
}

for (const name of ['shop/api', 'shop/api:*', 'shop/api:80', 'shop/fron', 'shop/front2', 'other/front', 'shop/front:', '']) {
  test(`${JSON.stringify(name)} are none`, () => {
    assert.equal(serviceEndpoints(name, BACKENDS, OBJECT), undefined);
  });
}

test('a Service has no endpoints at ports of UDP and SCTP', () => {
  const port = (name: string, number: number, protocol: 'TCP' | 'UDP' | 'SCTP') => ({
    name,
    port: number,
    protocol,
    appProtocol: undefined,
    targetPort: undefined,
    nodePort: undefined,
  });
  const ports = [port('http', 80, 'TCP'), port('dns', 53, 'UDP'), port('dns-tcp', 53, 'TCP'), port('m3ua', 2905, 'SCTP')];
  assert.deepEqual(portsOf(ports, undefined), [80, 53]);
  assert.deepEqual(portsOf(ports, 'http'), [80]);
  assert.deepEqual(portsOf(ports, '53'), [53]);
  assert.deepEqual(portsOf(ports, 'dns'), []);
  assert.deepEqual(portsOf(ports, 'm3ua'), []);
});
