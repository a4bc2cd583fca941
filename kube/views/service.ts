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
      clusterIPs: list(z.string()),
      externalIPs: list(z.string()),
      ports: list(servicePort),
      ipFamilies: list(z.enum(['IPv4', 'IPv6'])),
      sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
      sessionAffinityConfig: z.object({ clientIP: z.object({ timeoutSeconds: z.int().optional() }).optional() }).optional(),
      loadBalancerSourceRanges: list(z.string()),
      loadBalancerClass: text,
      externalTrafficPolicy: text,
      internalTrafficPolicy: text,
    })
    .prefault({}),
  status: loadBalancerStatus,
});

const names = list(z.object({ name: z.string() })).transform((all) => all.map(({ name }) => name));

/** For whose clients an endpoint is meant. Empty where nobody said so. */
const hints = z.object({ forZones: names, forNodes: names });

const endpoint = z.object({
  addresses: z.array(z.string()).min(1),
  /** Whose they are: a Pod's, by which those of both families are told to be one. */
  targetRef: z.object({ kind: text, name: text }).optional(),
  /** A condition that is absent is unknown, which counts as ready, serving and not terminating. */
  conditions: z.object({ ready: z.boolean().optional(), serving: z.boolean().optional(), terminating: z.boolean().optional() }).default({}),
  nodeName: z.string().optional(),
  hints: hints.optional(),
});

const endpointPort = z.object({
  name: text,
  /** Absent: any port. */
  port: portNumber.optional(),
  protocol,
  appProtocol: text,
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ */
export const endpointSliceView = z.object({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  metadata: ownedMetadata,
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: list(endpoint),
  ports: list(endpointPort),
});

export type Service = z.output<typeof serviceView>;
export type ServicePort = z.output<typeof servicePort>;
export type EndpointSlice = z.output<typeof endpointSliceView>;
export type SliceEndpoint = z.output<typeof endpoint>;
