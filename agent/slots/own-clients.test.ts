import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NODE_ENDPOINTS_TYPE, SnapshotCache } from '../../xds-server/serve/index.ts';
import { translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { OwnClients } from './own-clients.ts';

function told(node: string, zone?: string) {
  const serviceClients = { podNetworks: [], ...(zone !== undefined && { zone }) };
  return translateNodeEndpoints({ node, endpoints: [], nodeAddresses: [], serviceClients });
}

test('a node is in the zone that its enforcer is told, and whoever follows it hears of another', () => {
  const cache = new SnapshotCache({ partial: true });
  cache.apply({ upserts: [told('n1', 'north')], removals: [] });
  const clients = new OwnClients('n1');
  assert.deepEqual(clients.node, { name: 'n1' });
  const heard: unknown[] = [];
  const stop = clients.follow(cache, () => heard.push(clients.node.zone));
  assert.deepEqual([clients.node, heard.splice(0)], [{ name: 'n1', zone: 'north' }, ['north']]);
  cache.apply({ upserts: [told('n2', 'south')], removals: [] });
  cache.apply({ upserts: [{ ...told('n1', 'north'), version: 'other' }], removals: [] });
  assert.deepEqual(heard, []);
  cache.apply({ upserts: [told('n1', 'south')], removals: [] });
  cache.apply({ upserts: [told('n1')], removals: [] });
  cache.apply({ upserts: [told('n1', 'east')], removals: [] });
  cache.apply({ upserts: [{ ...told('n1'), version: 'unreadable', body: Buffer.from('?') }], removals: [] });
  assert.deepEqual(heard.splice(0), ['south', undefined, 'east', undefined]);
  stop();
  cache.apply({ upserts: [], removals: [{ typeUrl: NODE_ENDPOINTS_TYPE, name: 'n1' }] });
  cache.apply({ upserts: [told('n1', 'north')], removals: [] });
  assert.deepEqual([clients.node, heard], [{ name: 'n1' }, []]);
});
