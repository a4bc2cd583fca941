import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  LISTENER_TYPE,
  NodeViews,
  ROUTES_TYPE,
  RpcServer,
  SECRET_TYPE,
  SnapshotCache,
} from '../../xds-server/serve/index.ts';
import { PolicyParts } from './policy-parts.ts';

const NAMES = {
  [LISTENER_TYPE]: ['http', 'https', 'host-port-8080', 'sluice.scopes', 'default/shop/web', '/wide/web'],
  [CLUSTER_TYPE]: ['default:web:80', 'sluice.original-dst.ingress.http', 'default/shop/web', 'default/web:80', '/wide/web'],
};

function policyFor(t: TestContext, cache: SnapshotCache): PolicyParts {
  const policy = new PolicyParts({
    settings: { ...DEFAULT_SETTINGS, policy: { ...DEFAULT_SETTINGS.policy, enabled: true } },
    rpc: new RpcServer(),
    publish: (change) => cache.apply(change),
    publishedVersion: (name) => cache.get(name)?.version,
    onChange: () => {},
  });
  t.after(() => policy.close());
  return policy;
}

test('nodes have of configs what their scope says, and of the rest what they are granted', (t) => {
  const cache = new SnapshotCache();
  const policy = policyFor(t, cache);
  cache.replace(Object.entries(NAMES).flatMap(([typeUrl, names]) => names.map((name) => modelResource(typeUrl, name, '1'))));
  const base = new NodeViews(cache, 'nothing');
  base.grant(new Map([['all', 'everything']]));
  const views = policy.extendViews(base, cache);
  const seenBy = (node: string) => [LISTENER_TYPE, CLUSTER_TYPE].flatMap((typeUrl) => [...views.of(node).ofType(typeUrl).keys()].sort());
  const ofIngresses = Object.values(NAMES).flatMap((names) => names.filter((name) => !name.includes('/')).sort());
  assert.deepEqual([seenBy('all'), seenBy('none')], [ofIngresses, []]);
  const scope = (typeUrl: string) => ({ resources: [{ typeUrl, name: 'default/shop/web' }], slots: [] });
  const scopes = [LISTENER_TYPE, CLUSTER_TYPE].map((typeUrl) => ({ config: typeUrl, scope: scope(typeUrl) }));
  policy.takeListeners({ listeners: [], gone: [], services: [], scopes });
  const shop = ['default/shop/web', 'default/shop/web'];
  assert.deepEqual([seenBy('all').toSorted(), seenBy('none')], [[...ofIngresses, ...shop].toSorted(), shop]);
});

/** Both an Ingress and a config have endpoints and a certificate; the config has more. */
const SHARED = [
  { typeUrl: ENDPOINTS_TYPE, name: 'default/web:80' },
  { typeUrl: SECRET_TYPE, name: 'default/web-tls' },
];
const OF_CONFIG = [
  { typeUrl: ENDPOINTS_TYPE, name: 'default/shop:80' },
  { typeUrl: SECRET_TYPE, name: 'default/shop-tls' },
  { typeUrl: ROUTES_TYPE, name: 'default/shop/routes' },
];
const OF_INGRESSES = [...SHARED, { typeUrl: ROUTES_TYPE, name: 'listener-secure/001' }];

test('who serves Ingresses is given nothing of configs for others by name, nor what Ingresses need no longer', async (t) => {
  const cache = new SnapshotCache();
  const policy = policyFor(t, cache);
  const made = (typeUrl: string, name: string, ...requires: readonly { readonly typeUrl: string; readonly name: string }[]) =>
    modelResource(typeUrl, name, '1', requires);
  const byType = (wanted: string) => [...SHARED, ...OF_CONFIG].filter(({ typeUrl }) => typeUrl === wanted);
  const front = made(LISTENER_TYPE, 'https', ...SHARED.slice(1));
  const cluster = made(CLUSTER_TYPE, 'default:web:80', ...SHARED.slice(0, 1));
  const ofConfig = [
    made(CLUSTER_TYPE, 'default/shop/web', ...byType(ENDPOINTS_TYPE)),
    made(LISTENER_TYPE, 'default/shop/web', ...byType(SECRET_TYPE), ...byType(ROUTES_TYPE)),
  ];
  const others = [...OF_INGRESSES, ...OF_CONFIG].map(({ typeUrl, name }) => made(typeUrl, name));
  cache.replace([...others, front, cluster, ...ofConfig]);
  const base = new NodeViews(cache, 'nothing');
  base.grant(new Map([['edge', 'everything']]));
  await using scene = await XdsScene.open({ cache, views: policy.extendViews(base, cache) });
  const peer = scene.delta();
  const has = new Set<string>();
  const told = new Set<string>();
  const follow = async () => {
    for (;;) {
      for (const word of wordsOf(await peer.nextAcked())) {
        const [name = ''] = word.slice(1).split('@');
        told.add(name);
        if (word.startsWith('+')) has.add(name);
        else has.delete(name);
      }
    }
  };
  const asked = [...OF_INGRESSES, ...OF_CONFIG];
  const names = (of: readonly { readonly name: string }[]) => of.map(({ name }) => name).sort();
  for (const typeUrl of [ENDPOINTS_TYPE, SECRET_TYPE, ROUTES_TYPE]) {
    peer.say({ node: { id: 'edge' }, typeUrl, resourceNamesSubscribe: names(asked.filter((each) => each.typeUrl === typeUrl)) });
  }
  void follow();
  await eventually(() => assert.deepEqual([...told].sort(), names(asked)));
  assert.deepEqual([...has].sort(), names(OF_INGRESSES));
  // Its config goes on having them.
  cache.apply({ upserts: [modelResource(LISTENER_TYPE, 'https', '2')], removals: [cluster] });
  await eventually(() => assert.deepEqual([...has], ['listener-secure/001']));
  policy.takeListeners({
    listeners: [],
    gone: [],
    services: [],
    scopes: [{ config: 'shop', scope: { resources: ofConfig.map(({ typeUrl, name }) => ({ typeUrl, name })), slots: [] } }],
  });
  await eventually(() => assert.deepEqual([...has].sort(), names(asked)));
});
