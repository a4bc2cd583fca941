import { z } from 'zod';
import { loadBalancerStatus } from './load-balancer.ts';
import { list, ownedMetadata, portNumber, text } from './metadata.ts';

const protocol = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP');

/** A port number, or the name of a container port; undefined (0 or empty) for the same number as the Service's port. */
const targetPort = z
  .union([z.int().min(0).max(65535), z.string()], { error: 'must be a port number (1 to 65535) or the name of a port' })
  .optional()
  .transform((value) => value || undefined);

const servicePort = z.object({
  name: text,
  protocol,
  appProtocol: text,
  port: portNumber,
  targetPort,
  nodePort: z
    .int()
    .optional()
    .transform((value) => value || undefined),
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
export const serviceView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: ownedMetadata,
  spec: z
    .object({
      type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
      externalName: text,
      /** Of pods; absent where its EndpointSlices are made by somebody else. */
      selector: z.record(z.string(), z.string()).optional(),
      clusterIP: text,
      ports: list(servicePort),
      ipFamilies: list(z.enum(['IPv4', 'IPv6'])),
      sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
      loadBalancerClass: text,
      externalTrafficPolicy: text,
    })
    .prefault({}),
  status: loadBalancerStatus,
});

const endpoint = z.object({
  addresses: z.array(z.string()).min(1),
  /** A condition that is absent is unknown, which counts as ready, serving and not terminating. */
  conditions: z.object({ ready: z.boolean().optional(), serving: z.boolean().optional(), terminating: z.boolean().optional() }).default({}),
  nodeName: z.string().optional(),
});

const endpointPort = z.object({
  name: text,
  /** Absent: any port. */
  port: portNumber.optional(),
  protocol,
  appProtocol: text,
});

/**
 * The slices whose nodes matter, by their Service or their maker: those of the agents, and our own. There may be ten thousands of other
 * endpoints, whose nodes are nobody's business here.
 */
function tellsNodes(labels: Readonly<Record<string, string>>): boolean {
  return (
    labels['kubernetes.io/service-name'] === 'sluice-nodes' || labels['endpointslice.kubernetes.io/managed-by'] === 'ingress.sluice.io'
  );
}

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ */
const anyEndpointSlice = z.object({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  metadata: ownedMetadata,
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: list(endpoint),
  ports: list(endpointPort),
});

export const endpointSliceView = anyEndpointSlice.transform((slice): z.output<typeof anyEndpointSlice> => {
  if (tellsNodes(slice.metadata.labels)) return slice;
  return { ...slice, endpoints: slice.endpoints.map(({ addresses, conditions }) => ({ addresses, conditions })) };
});

export type Service = z.output<typeof serviceView>;
export type ServicePort = z.output<typeof servicePort>;
export type EndpointSlice = z.output<typeof endpointSliceView>;
