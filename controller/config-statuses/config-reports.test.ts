import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LISTENER_TYPE } from '../../xds-server/serve/index.ts';
import type { ConfigState } from '../pipeline/config-states.ts';
import { reportConfigs } from './config-reports.ts';

const objectOf = (namespace: string, name: string) => ({ kind: 'CiliumEnvoyConfig', namespace, name });
const SHOP = objectOf('default', 'shop');
const WANTED = { typeUrl: LISTENER_TYPE, name: 'default/shop/web', qualifiedName: 'default/shop/web', version: '1' };
const STATE: ConfigState = {
  generation: 1,
  diagnostics: [],
  good: { generation: 1, spec: {} },
  wanted: [{ ...WANTED, source: { object: SHOP, path: ['spec', 'resources', 0] } }],
};
const WRONG: ConfigState = {
  diagnostics: [{ severity: 'error', code: 'InvalidEnvoyConfig', message: 'x'.repeat(5_000), path: ['spec'], object: objectOf('a', 'b') }],
  wanted: [],
};
const ACCEPTED = { status: 'True', reason: 'Accepted', message: 'all of it can be served' };
const RESOLVED = { status: 'True', reason: 'ResolvedRefs', message: 'all that it names is there' };

test('configs are reported in order, with what nodes have where that is known', () => {
  const has = { version: () => '1', refusal: () => undefined };
  const onNodes = { nodesOf: () => ['n1', 'n2'], holdingOf: (node: string) => (node === 'n1' ? has : undefined) };
  const [wrong, shop, ...others] = reportConfigs(
    [
      [SHOP, STATE],
      [objectOf('a', 'b'), WRONG],
    ],
    onNodes,
  );
  assert.deepEqual(others, []);
  assert.deepEqual(shop, {
    ...SHOP,
    accepted: ACCEPTED,
    resolvedRefs: RESOLVED,
    programmed: { status: 'Unknown', reason: 'Pending', message: '1 of 2 nodes; not yet: n2' },
    nodes: { programmed: 1, total: 2 },
  });
  assert.deepEqual([wrong?.name, wrong?.accepted.reason, wrong?.programmed?.reason], ['b', 'InvalidEnvoyConfig', 'NotAccepted']);
  assert.equal(wrong?.nodes, undefined);
  assert.equal(wrong?.accepted.message.length, 1_000);
});

test('where nothing is known of nodes, nothing is said of them', () => {
  assert.deepEqual(reportConfigs([[SHOP, STATE]], undefined), [{ ...SHOP, accepted: ACCEPTED, resolvedRefs: RESOLVED }]);
});
