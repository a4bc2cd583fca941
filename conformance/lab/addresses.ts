/** Where the control plane is, and the router between all places; see `kubernetes/plan`. */
export const ROUTER = '10.240.0.1';
export const CLIENT = '10.241.0.2';
export const CLUSTER_DNS = '10.96.0.10';
export const POD_RANGE = '10.244.0.0/16';
export const LOAD_BALANCER_RANGE = '10.250.0.0/16';
export const API_SERVER_PORT = 6443;

export interface NodeAddresses {
  readonly name: string;
  readonly address: string;
  readonly podRange: string;
}

/** @param index from 1 */
export function nodeAddresses(index: number): NodeAddresses {
  return { name: `node-${index}`, address: `10.240.0.${10 + index}`, podRange: `10.244.${index}.0/24` };
}
