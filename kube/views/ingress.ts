import { z } from 'zod';
import { clusterMetadata, list, namespacedMetadata, optional, portNumber, subdomain } from './metadata.ts';

const serviceBackend = z.object({
  name: z.string().min(1),
  port: z
    .object({ name: optional(z.string()), number: optional(portNumber) })
    .nullish()
    .transform((port) => port ?? {}),
});

const backend = z.object({
  service: optional(serviceBackend),
  resource: optional(z.object({ apiGroup: optional(z.string()), kind: z.string(), name: z.string() })),
});

const path = z.object({
  path: optional(z.string()),
  pathType: z.enum(['Exact', 'Prefix', 'ImplementationSpecific']),
  backend,
});

const rule = z.object({
  host: optional(z.string()),
  http: optional(z.object({ paths: z.array(path).min(1) })),
});

const tls = z.object({ hosts: list(z.string()), secretName: optional(z.string()) });

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
      ingressClassName: optional(subdomain),
      defaultBackend: optional(backend),
      rules: list(rule),
      tls: list(tls),
    })
    .nullish()
    .transform((spec) => spec ?? { ingressClassName: undefined, defaultBackend: undefined, rules: [], tls: [] }),
});

/** @see https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-class-v1/ */
export const ingressClassView = z.object({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('IngressClass'),
  metadata: clusterMetadata,
  spec: z
    .object({ controller: optional(z.string()) })
    .nullish()
    .transform((spec) => spec ?? { controller: undefined }),
});

export type Ingress = z.output<typeof ingressView>;
export type IngressRule = z.output<typeof rule>;
export type IngressPath = z.output<typeof path>;
export type IngressBackend = z.output<typeof backend>;
export type IngressTls = z.output<typeof tls>;
export type IngressClass = z.output<typeof ingressClassView>;
