import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import type { EndpointClients } from '../../model/index.ts';
import type { Resource } from '../serve/resource.ts';
import { translateEndpoints } from './endpoints.ts';
import { endpointsForNode } from './endpoints-for-node.ts';

const NODE = { name: 'n1', zone: 'north' };
const own = (node: string): EndpointClients => ({ kind: 'of-node', node });
const hinted = (zones: readonly string[], nodes: readonly string[] = []): EndpointClients => ({
  kind: 'hinted',
  nodeHints: nodes,
  zoneHints: zones,
});

/** Endpoints `a`, `b` … for these clients. */
function setOf(...clients: readonly (EndpointClients | undefined)[]): Resource {
  const endpoints = clients.map((each, index) => ({ address: `10.0.0.${index + 1}`, port: 80, ...(each && { clients: each }) }));
  return translateEndpoints({ name: 'for-nodes:shop/web:80', endpoints, sources: [] });
}

function lettersOf({ body }: Resource): string {
  const found = fromBinary(ClusterLoadAssignmentSchema, body).endpoints.flatMap(({ lbEndpoints }) => lbEndpoints);
  return found
    .map(({ hostIdentifier: host, metadata }) => {
      assert.equal(metadata, undefined, 'Envoy is told nothing of other nodes');
      const address = host.case === 'endpoint' ? host.value.address?.address : undefined;
      return address?.case === 'socketAddress' ? 'abc'.charAt(Number(address.value.address.split('.')[3]) - 1) : '';
    })
    .join('');
}

describe('endpoints that say whose clients they are for', () => {
  for (const [what, clients, node, expected] of [
    ['are those of a node', [own('n1'), own('n2'), own('n1')], NODE, 'ac'],
    ['are none on a node that has none', [own('n2'), own('n3')], NODE, ''],
    ['are those of a zone', [hinted(['north']), hinted(['south', 'north']), hinted(['south'])], NODE, 'ab'],
    ['are those of a node before those of its zone', [hinted(['north'], ['n1']), hinted(['north'], ['n2'])], NODE, 'a'],
    ['are those of a zone where none is for the node', [hinted(['north'], ['n2']), hinted(['south'], ['n3'])], NODE, 'a'],
    ['are all where none is for the zone', [hinted(['south']), hinted(['east'])], NODE, 'ab'],
    ['are all on a node without a zone', [hinted(['south']), hinted(['north'])], { name: 'n1' }, 'ab'],
    ['are all where some are for nobody', [hinted(['north']), hinted([])], NODE, 'ab'],
  ] as const) {
    test(what, () => {
      const set = setOf(...clients);
      const found = endpointsForNode(set, node);
      assert.equal(lettersOf(found), expected);
      assert.equal(found.name, set.name);
      const same = endpointsForNode(setOf(...clients, ...(expected === 'a' ? [hinted(['west'], ['n9'])] : [])), node);
      assert.equal(same.version, found.version, 'what is not for the node makes no difference to it');
    });
  }

  test('are the resource itself where nobody says so, as is what is no endpoints', () => {
    const all = setOf(undefined, undefined);
    assert.equal(endpointsForNode(all, NODE), all);
    const other = { ...setOf(own('n2')), typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' };
    assert.equal(endpointsForNode(other, NODE), other);
  });
});
