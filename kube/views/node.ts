import { z } from 'zod';
import { clusterMetadata, list, text } from './metadata.ts';

const podNetwork = z
  .object({ podCIDR: text, podCIDRs: list(z.string()) })
  .prefault({})
  .transform(({ podCIDR, podCIDRs }) => ({ podCIDRs: podCIDRs.length > 0 || !podCIDR ? podCIDRs : [podCIDR] }));

const nodeStatus = z.object({ addresses: list(z.object({ type: z.string(), address: z.string() })) }).prefault({});

/**
 * Of Nodes their labels and addresses are read, and nothing else that changes. Where they are read as metadata alone they have no
 * addresses.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/
 */
export const nodeView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Node'),
  metadata: clusterMetadata.extend({
    annotations: z
      .unknown()
      .optional()
      .transform((): Record<string, string> => ({})),
  }),
  spec: podNetwork,
  status: nodeStatus,
});

export type Node = z.output<typeof nodeView>;
