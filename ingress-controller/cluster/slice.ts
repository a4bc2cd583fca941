import { isDeepStrictEqual } from 'node:util';
import type { Action, EndpointSlice } from '../../kube/index.ts';
import { INGRESS_LABEL, MANAGED_BY_LABEL, MANAGER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL, SLICE_MANAGER } from './names.ts';
import type { NodeEndpoint } from './nodes.ts';
import { hasTexts } from './service.ts';

/** Those of the ports of our Services. */
export const SLICE_PORT_NAMES: readonly string[] = ['http', 'https'];

/** An EndpointSlice that sends what arrives at a Service to the nodes. */
export interface WantedSlice {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly addressType: 'IPv4' | 'IPv6';
  readonly nodes: readonly NodeEndpoint[];
  readonly ports: { readonly http: number; readonly https: number };
  readonly ownerReferences: readonly object[];
}

/**
 * What has to be done to an EndpointSlice: to apply it, or nothing. One of another address type, which cannot change, is deleted first.
 * @param actual the one in the API server if it is ours, undefined if there is none
 */
export function compareSlice(wanted: WantedSlice, actual: EndpointSlice | undefined): Action | undefined {
  const { namespace, name, addressType, ownerReferences } = wanted;
  const ref = { kind: 'EndpointSlice', namespace, name };
  const uid = actual?.metadata.uid;
  if (actual && uid !== undefined && actual.addressType !== addressType) {
    return { kind: 'delete', ref, apiVersion: 'discovery.k8s.io/v1', uid };
  }
  if (actual && isAsWanted(wanted, actual)) return undefined;
  const manifest = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: labelsOf(wanted), ...(ownerReferences.length > 0 && { ownerReferences }) },
    addressType,
    endpoints: endpointsOf(wanted),
    ports: portsOf(wanted),
  };
  return { kind: 'apply', ref, manifest, ...(uid !== undefined && { uid }) };
}

function labelsOf({ service }: WantedSlice): Readonly<Record<string, string>> {
  return {
    [INGRESS_LABEL]: 'true',
    [MANAGED_BY_LABEL]: MANAGER,
    [SERVICE_NAME_LABEL]: service,
    [SLICE_MANAGED_BY_LABEL]: SLICE_MANAGER,
  };
}

function endpointsOf({ nodes }: WantedSlice) {
  return nodes.map(({ address, nodeName, ready, serving, terminating }) => ({
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(nodeName !== undefined && { nodeName }),
  }));
}

function portsOf({ ports }: WantedSlice) {
  return [
    { name: 'http', port: ports.http, protocol: 'TCP' },
    { name: 'https', port: ports.https, protocol: 'TCP' },
  ];
}

function isAsWanted(wanted: WantedSlice, { metadata, endpoints, ports }: EndpointSlice): boolean {
  const actualEndpoints = endpoints.map(({ addresses, conditions, nodeName }) => ({
    addresses,
    conditions: { ready: conditions.ready, serving: conditions.serving, terminating: conditions.terminating },
    ...(nodeName !== undefined && { nodeName }),
  }));
  const actualPorts = ports.map(({ name, port, protocol }) => ({ name, port, protocol }));
  return (
    hasTexts(metadata.labels, labelsOf(wanted)) &&
    isDeepStrictEqual(actualPorts, portsOf(wanted)) &&
    isDeepStrictEqual(actualEndpoints, endpointsOf(wanted))
  );
}
