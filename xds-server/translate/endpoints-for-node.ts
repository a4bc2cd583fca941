import { Buffer } from 'node:buffer';
import { create, fromBinary, type JsonObject } from '@bufbuild/protobuf';
import { type LbEndpoint, LocalityLbEndpointsSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { type ClientNode, type EndpointClients, endpointsFor } from '../../model/index.ts';
import type { Resource } from '../serve/resource.ts';
import { encodeResource } from './encode.ts';
import { ENDPOINTS } from './types.ts';

/** Names what endpoints say of whose clients they are for. It is for nodes, which take it away, and means nothing to Envoy. */
const CLIENTS = 'sluice.clients';
const NAMED = Buffer.from(CLIENTS);

/** As metadata of an endpoint. */
export function clientsMetadata(clients: EndpointClients): Record<string, JsonObject> {
  if (clients.kind === 'of-node') return { [CLIENTS]: { node: clients.node } };
  return { [CLIENTS]: { nodes: [...clients.nodeHints], zones: [...clients.zoneHints] } };
}

/**
 * What a node's Envoy has of resources: of endpoints that say whose clients they are for, those of its node.
 * @returns the resource itself where that is all of it
 */
export function endpointsForNode(resource: Resource, node: ClientNode): Resource {
  const { typeUrl, name, body } = resource;
  if (typeUrl !== ENDPOINTS || !Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(NAMED)) return resource;
  const { endpoints, ...rest } = fromBinary(ClusterLoadAssignmentSchema, body);
  const all = endpoints.flatMap(({ lbEndpoints }) => lbEndpoints);
  const own = endpointsFor(all, node, clientsOf).map(withoutClients);
  const localities = own.length > 0 ? [create(LocalityLbEndpointsSchema, { lbEndpoints: own })] : [];
  return encodeResource(ClusterLoadAssignmentSchema, name, create(ClusterLoadAssignmentSchema, { ...rest, endpoints: localities }));
}

function clientsOf({ metadata }: LbEndpoint): EndpointClients | undefined {
  const said = metadata?.filterMetadata[CLIENTS];
  if (!said) return undefined;
  if (typeof said['node'] === 'string') return { kind: 'of-node', node: said['node'] };
  return { kind: 'hinted', nodeHints: textsOf(said['nodes']), zoneHints: textsOf(said['zones']) };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

/** Controllers say nothing else of endpoints. */
function withoutClients({ metadata: _clients, ...rest }: LbEndpoint): LbEndpoint {
  return rest;
}
