import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyConfigObject } from '../testkit/kube-objects.ts';
import { KnownResources } from './known-resources.ts';
import { readEnvoyConfig } from './read-envoy-config.ts';

const TYPE = 'type.googleapis.com/envoy.config.';

/** A config of a cluster and routes to it. */
function config(name: string, prefix: string, more: object = {}) {
  const cluster = { '@type': `${TYPE}cluster.v3.Cluster`, name: 'own', type: 'STATIC', ...more };
  const routes = [{ match: { prefix }, route: { cluster: 'own' } }];
  const virtualHosts = [{ name: 'all', domains: ['*'], routes }];
  const table = { '@type': `${TYPE}route.v3.RouteConfiguration`, name: 'routes', virtualHosts };
  return envoyConfigObject({ resources: [cluster, table] }, { name });
}

for (const maxLength of [undefined, 10]) {
  test(`what was read before is read as if it were not, with room for ${maxLength ?? 'all'}`, () => {
    const known = new KnownResources(maxLength);
    const wrong = config('a', '/', { lbPolicy: 'NONE', connectTimeout: '-1s' });
    const unwritten = config('a', '/', { connect_timeout: '-1s' });
    const objects = [config('a', '/'), config('a', '/new'), config('b', '/new'), wrong, unwritten, config('a', '/'), wrong, unwritten];
    for (const object of objects) {
      assert.deepEqual(readEnvoyConfig(object, { allow: [], known }), readEnvoyConfig(object, { allow: [] }));
    }
  });
}

test('what was read before is there, and a message of its own for each', () => {
  const known = new KnownResources();
  const object = config('a', '/');
  readEnvoyConfig(object, { allow: [], known });
  const [json] =
    object.spec && typeof object.spec === 'object' && 'resources' in object.spec && Array.isArray(object.spec.resources)
      ? object.spec.resources
      : [];
  const text = JSON.stringify(json);
  assert.equal(known.get(text)?.name, 'own');
  assert.notEqual(known.get(text)?.message.message, known.get(text)?.message.message);
  assert.equal(known.get(text.replace('own', 'other')), undefined);
});
