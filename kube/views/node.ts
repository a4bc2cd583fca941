import { z } from 'zod';
import { annotationsOf, clusterMetadata, list, text } from './metadata.ts';

const podNetwork = z
  .object({ podCIDR: text, podCIDRs: list(z.string()) })
  .prefault({})
  .transform(({ podCIDR, podCIDRs }) => ({ podCIDRs: podCIDRs.length > 0 || !podCIDR ? podCIDRs : [podCIDR] }));

const nodeStatus = z.object({ addresses: list(z.object({ type: z.string(), address: z.string() })) }).prefault({});

/**
 * By which network plugins tell of addresses that a node sends by beside its own.
 * @see https://github.com/flannel-io/flannel/blob/master/Documentation/kubernetes.md
 * @see https://docs.tigera.io/calico/latest/reference/resources/node
 */
const NETWORK_ANNOTATIONS = [
  ...['backend-type', 'public-ip', 'public-ipv6'].map((name) => `flannel.alpha.coreos.com/${name}`),
  ...['Address', 'VXLANTunnelAddr', 'WireguardInterfaceAddr'].flatMap((name) => [
    `projectcalico.org/IPv4${name}`,
    `projectcalico.org/IPv6${name}`,
  ]),
  'projectcalico.org/IPv4IPIPTunnelAddr',
];

/**
 * Of Nodes their labels, addresses and networks are read, and nothing else that changes. Where they are read as metadata alone they have no
 * addresses.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/
 */
export const nodeView = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Node'),
  metadata: clusterMetadata.extend({
    annotations: annotationsOf(...NETWORK_ANNOTATIONS),
  }),
  spec: podNetwork,
  status: nodeStatus,
});

export type Node = z.output<typeof nodeView>;
