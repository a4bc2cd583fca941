import { z } from 'zod';
import { list, namespacedMetadata, optional, portNumber } from './metadata.ts';

const protocol = z
  .enum(['TCP', 'UDP', 'SCTP'])
  .nullish()
  .transform((value) => value ?? 'TCP');

const servicePort = z.object({
  name: optional(z.string()),
  protocol,
  appProtocol: optional(z.string()),
  port: portNumber,
  targetPort: optional(z.union([portNumber, z.string()])),
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
export const serviceView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: namespacedMetadata,
  spec: z
    .object({
      type: z
        .enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'])
        .nullish()
        .transform((value) => value ?? 'ClusterIP'),
      externalName: optional(z.string()),
      ports: list(servicePort),
      ipFamilies: list(z.enum(['IPv4', 'IPv6'])),
      sessionAffinity: optional(z.enum(['None', 'ClientIP'])),
    })
    .nullish()
    .transform(
      (spec) => spec ?? { type: 'ClusterIP' as const, externalName: undefined, ports: [], ipFamilies: [], sessionAffinity: undefined },
    ),
});

const endpoint = z.object({
  addresses: z.array(z.string()).min(1),
  conditions: z
    .object({
      ready: optional(z.boolean()),
      serving: optional(z.boolean()),
      terminating: optional(z.boolean()),
    })
    .nullish()
    .transform((conditions) => conditions ?? {}),
});

const endpointPort = z.object({
  name: optional(z.string()),
  port: optional(portNumber),
  protocol,
  appProtocol: optional(z.string()),
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ */
export const endpointSliceView = z.object({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  metadata: namespacedMetadata,
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: list(endpoint),
  ports: list(endpointPort),
});

export type Service = z.output<typeof serviceView>;
export type ServicePort = z.output<typeof servicePort>;
export type EndpointSlice = z.output<typeof endpointSliceView>;
