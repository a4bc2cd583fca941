import { CLUSTER_DNS, type NodeAddresses, ROUTER } from './addresses.ts';

/** Nodes before their kubelets find them there, so that each has the range that its pods' addresses are of. */
export function nodeObject({ name, podRange }: NodeAddresses): object {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDR: podRange, podCIDRs: [podRange] } };
}

/** The cluster's DNS: a Service whose endpoint is beside the control plane. */
export const DNS_SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
  spec: {
    clusterIP: CLUSTER_DNS,
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  },
};

export const DNS_ENDPOINTS = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: [ROUTER], conditions: { ready: true } }],
  ports: [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ],
};
