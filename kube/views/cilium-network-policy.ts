import { z } from 'zod';
import { labelSelector } from './label-selector.ts';
import { clusterwidePolicyMetadata, policyMetadata } from './policy-metadata.ts';

const unread = z.unknown().optional();
const opaqueList = z.array(z.unknown()).optional();

const port = z.strictObject({
  port: z.string().min(1),
  endPort: z.int().min(0).max(65535).optional(),
  protocol: z.string().optional(),
});

/** One that is wrong takes nothing with it but itself, so each is read alone. */
const layer7 = z.strictObject({
  http: opaqueList,
  kafka: unread,
  dns: unread,
  l7proto: unread,
  l7: unread,
});

/** What needs layer 7 beside `rules` and `serverNames` is judged by whoever enforces it. */
const portRule = z.strictObject({
  ports: z.array(port).max(40).optional(),
  rules: layer7.optional(),
  terminatingTLS: unread,
  originatingTLS: unread,
  serverNames: opaqueList,
  listener: unread,
});

const headerMatch = z.strictObject({
  name: z.string(),
  value: z.string().optional(),
  secret: z.strictObject({ name: z.string(), namespace: z.string().optional() }).optional(),
  mismatch: z.enum(['LOG', 'ADD', 'DELETE', 'REPLACE', '']).optional(),
});

/** An item of `rules.http`. A field that is not known may narrow what it allows. */
export const ciliumHttpRule = z.strictObject({
  method: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  headers: z.array(z.string()).optional(),
  headerMatches: z.array(headerMatch).optional(),
});

const icmp = z.strictObject({
  fields: z
    .array(
      z.strictObject({
        family: z.enum(['IPv4', 'IPv6', '']).optional(),
        type: z.union([z.int().min(0).max(255), z.string().min(1)], { error: 'must be a type of ICMP, as a number (0 to 255) or a name' }),
      }),
    )
    .max(40)
    .optional(),
});

const cidrRule = z.strictObject({
  cidr: z.string().optional(),
  cidrGroupRef: z.string().optional(),
  cidrGroupSelector: labelSelector.optional(),
  except: z.array(z.string()).optional(),
});

const service = z.strictObject({
  k8sService: z.strictObject({ serviceName: z.string().optional(), namespace: z.string().optional() }).optional(),
  k8sServiceSelector: z.strictObject({ selector: labelSelector, namespace: z.string().optional() }).optional(),
});

const icmps = z.array(icmp).optional();

/** Of rules that allow. What denies has neither layer 7 nor authentication. */
const allowing = {
  toPorts: z.array(portRule).optional(),
  icmps,
  authentication: z.strictObject({ mode: z.string() }).optional(),
};

const denying = { toPorts: z.array(z.strictObject({ ports: z.array(port).max(40).optional() })).optional(), icmps };

const sources = {
  fromEndpoints: z.array(labelSelector).optional(),
  fromRequires: z.array(labelSelector).optional(),
  fromCIDR: z.array(z.string()).optional(),
  fromCIDRSet: z.array(cidrRule).optional(),
  fromEntities: z.array(z.string()).optional(),
  fromGroups: opaqueList,
  fromNodes: z.array(labelSelector).optional(),
};

const destinations = {
  toEndpoints: z.array(labelSelector).optional(),
  toRequires: z.array(labelSelector).optional(),
  toCIDR: z.array(z.string()).optional(),
  toCIDRSet: z.array(cidrRule).optional(),
  toEntities: z.array(z.string()).optional(),
  toServices: z.array(service).optional(),
  toGroups: opaqueList,
  toNodes: z.array(labelSelector).optional(),
};

const ingressRule = z.strictObject({ ...allowing, ...sources });
const ingressDenyRule = z.strictObject({ ...denying, ...sources });
const egressRule = z.strictObject({ ...allowing, ...destinations, toFQDNs: opaqueList });
const egressDenyRule = z.strictObject({ ...denying, ...destinations });

/**
 * One rule set of a policy. A field that is not known may narrow what a rule allows, so it is refused.
 * @see https://docs.cilium.io/en/stable/security/policy/language/
 */
export const ciliumPolicySpec = z.strictObject({
  endpointSelector: labelSelector.optional(),
  nodeSelector: labelSelector.optional(),
  ingress: z.array(ingressRule).optional(),
  ingressDeny: z.array(ingressDenyRule).optional(),
  egress: z.array(egressRule).optional(),
  egressDeny: z.array(egressDenyRule).optional(),
  enableDefaultDeny: z.strictObject({ ingress: z.boolean().optional(), egress: z.boolean().optional() }).optional(),
  labels: unread,
  description: unread,
  log: unread,
});

/** As much of a condition as Cilium's operator writes. */
const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  lastTransitionTime: z.string().default(''),
  reason: z.string().default(''),
  message: z.string().default(''),
});

/** A status that cannot be read is none: it must not keep the policy from being seen. */
const status = z
  .object({ conditions: z.array(condition).default([]) })
  .optional()
  .catch(undefined);

const specs = { spec: z.unknown().optional(), specs: z.unknown().optional(), status } as const;

/** What may stand in `spec` and `specs` is judged by whoever enforces it: a policy that is wrong still denies what it selects. */
export const ciliumNetworkPolicyView = z.object({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumNetworkPolicy'),
  metadata: policyMetadata,
  ...specs,
});

/** As a CiliumNetworkPolicy, for all namespaces. */
export const ciliumClusterwideNetworkPolicyView = z.object({
  apiVersion: z.literal('cilium.io/v2'),
  kind: z.literal('CiliumClusterwideNetworkPolicy'),
  metadata: clusterwidePolicyMetadata,
  ...specs,
});

export type CiliumNetworkPolicy = z.output<typeof ciliumNetworkPolicyView>;
export type CiliumClusterwideNetworkPolicy = z.output<typeof ciliumClusterwideNetworkPolicyView>;
export type CiliumPolicySpec = z.output<typeof ciliumPolicySpec>;
/** One that denies lacks what only those have that allow. */
export type CiliumIngressRule = z.output<typeof ingressRule>;
export type CiliumEgressRule = z.output<typeof egressRule>;
export type CiliumIcmp = z.output<typeof icmp>;
export type CiliumPortRule = z.output<typeof portRule>;
export type CiliumCidrRule = z.output<typeof cidrRule>;
export type CiliumServicePeer = z.output<typeof service>;
