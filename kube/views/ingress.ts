import { z } from 'zod';
import { loadBalancerStatus } from './load-balancer.ts';
import { clusterMetadata, list, namespacedMetadata, portNumber, subdomain, text } from './metadata.ts';

const serviceBackend = z.object({
  name: z.string().min(1),
  port: z.object({ name: text, number: portNumber.optional() }).prefault({}),
});

const backend = z.object({
  service: serviceBackend.optional(),
  resource: z.object({ apiGroup: text, kind: z.string(), name: z.string() }).optional(),
});

const path = z.object({
  path: text,
  pathType: z.enum(['Exact', 'Prefix', 'ImplementationSpecific']),
  backend,
});

const rule = z.object({
  host: text,
  http: z.object({ paths: z.array(path).min(1) }).optional(),
});

const tls = z.object({ hosts: list(z.string()), secretName: text });

/**
 * What Sluice reads of an Ingress: the shape is checked here, what a value means is checked where it is used, so that a
 * rule that is wrong in itself does not take its neighbours with it.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1/
 */
export const ingressView = z.object({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('Ingress'),
  metadata: namespacedMetadata,
  spec: z
    .object({
      ingressClassName: subdomain.optional(),
      defaultBackend: backend.optional(),
      rules: list(rule),
      tls: list(tls),
    })
    .prefault({}),
  status: loadBalancerStatus,
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-class-v1/ */
export const ingressClassView = z.object({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('IngressClass'),
  metadata: clusterMetadata,
  spec: z.object({ controller: text }).prefault({}),
});

export type Ingress = z.output<typeof ingressView>;
export type IngressRule = z.output<typeof rule>;
export type IngressPath = z.output<typeof path>;
export type IngressBackend = z.output<typeof backend>;
export type IngressTls = z.output<typeof tls>;
export type IngressClass = z.output<typeof ingressClassView>;
