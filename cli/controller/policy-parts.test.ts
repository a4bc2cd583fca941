import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, NodeViews, RpcServer, SnapshotCache } from '../../xds-server/serve/index.ts';
import { PolicyParts } from './policy-parts.ts';

const NAMES = {
  [LISTENER_TYPE]: ['http', 'https', 'host-port-8080', 'sluice.scopes', 'default/shop/web', '/wide/web'],
  [CLUSTER_TYPE]: ['default:web:80', 'sluice.original-dst.ingress.http', 'default/shop/web', 'default/web:80', '/wide/web'],
};

test('nodes have of configs what their scope says, and of the rest what they are granted', (t) => {
  const cache = new SnapshotCache();
  const policy = new PolicyParts({
    settings: { ...DEFAULT_SETTINGS, policy: { ...DEFAULT_SETTINGS.policy, enabled: true } },
    rpc: new RpcServer(),
    publish: (change) => cache.apply(change),
    publishedVersion: (name) => cache.get(name)?.version,
    onChange: () => {},
  });
  t.after(() => policy.close());
  cache.replace(Object.entries(NAMES).flatMap(([typeUrl, names]) => names.map((name) => modelResource(typeUrl, name, '1'))));
  const base = new NodeViews(cache, 'nothing');
  base.grant(new Map([['all', 'everything']]));
  const views = policy.extendViews(base, cache);
  const seenBy = (node: string) => [LISTENER_TYPE, CLUSTER_TYPE].flatMap((typeUrl) => [...views.of(node).ofType(typeUrl).keys()]);
  const ofIngresses = Object.values(NAMES).flatMap((names) => names.filter((name) => !name.includes('/')));
  assert.deepEqual([seenBy('all'), seenBy('none')], [ofIngresses, []]);
  const scope = (typeUrl: string) => ({ resources: [{ typeUrl, name: 'default/shop/web' }], slots: [] });
  const scopes = [LISTENER_TYPE, CLUSTER_TYPE].map((typeUrl) => ({ config: typeUrl, scope: scope(typeUrl) }));
  policy.takeListeners({ listeners: [], gone: [], services: [], scopes });
  const shop = ['default/shop/web', 'default/shop/web'];
  assert.deepEqual([seenBy('all').toSorted(), seenBy('none')], [[...ofIngresses, ...shop].toSorted(), shop]);
});
