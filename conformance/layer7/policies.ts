import type { Manifest } from './steered-lab.ts';

/** A rule of layer 7 for HTTP, as a policy has it. */
export interface HttpRuleText {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: readonly string[];
}

export interface PolicyText {
  readonly name: string;
  /** Of `app`, whom it is about. */
  readonly app: string;
  readonly ingress?: readonly Manifest[];
  readonly ingressDeny?: readonly Manifest[];
  readonly egress?: readonly Manifest[];
}

export function ciliumPolicy({ name, app, ...rules }: PolicyText): Manifest {
  const spec = { endpointSelector: { matchLabels: { app } }, ...rules };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name }, spec };
}

/** What goes in one `toPorts`: a port of TCP, and rules if there are any. */
export function tcpPort(port: number, http?: readonly HttpRuleText[]): Manifest {
  return { ports: [{ port: String(port), protocol: 'TCP' }], ...(http && { rules: { http } }) };
}

/** Pods with this label `app`. */
export function app(name: string): readonly Manifest[] {
  return [{ matchLabels: { app: name } }];
}
