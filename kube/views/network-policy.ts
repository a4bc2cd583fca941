import { z } from 'zod';
import { labelSelector } from './label-selector.ts';
import { policyMetadata } from './policy-metadata.ts';

const port = z.strictObject({
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
  port: z
    .union([z.int().min(1).max(65535), z.string().min(1)], { error: 'must be a port number (1 to 65535) or the name of a port' })
    .optional(),
  endPort: z.int().min(1).max(65535).optional(),
});

const peer = z.strictObject({
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
  ipBlock: z.strictObject({ cidr: z.string(), except: z.array(z.string()).optional() }).optional(),
});

const ingressRule = z.strictObject({ from: z.array(peer).optional(), ports: z.array(port).optional() });
const egressRule = z.strictObject({ to: z.array(peer).optional(), ports: z.array(port).optional() });

/**
 * What stands in `spec`. A field that is not known may narrow what a rule allows, so it is refused.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
 */
export const networkPolicySpec = z.strictObject({
  podSelector: labelSelector.optional(),
  policyTypes: z.array(z.enum(['Ingress', 'Egress'])).optional(),
  ingress: z.array(ingressRule).optional(),
  egress: z.array(egressRule).optional(),
});

/** What may stand in `spec` is judged by whoever enforces it: a policy that is wrong still denies what it selects. */
export const networkPolicyView = z.object({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('NetworkPolicy'),
  metadata: policyMetadata,
  spec: z.unknown().default({}),
});

export type NetworkPolicy = z.output<typeof networkPolicyView>;
export type NetworkPolicySpec = z.output<typeof networkPolicySpec>;
export type NetworkPolicyPeer = z.output<typeof peer>;
export type NetworkPolicyPort = z.output<typeof port>;
