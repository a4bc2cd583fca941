import { FAMILIES, type Family } from '../lab/netns/index.ts';
import type { HttpAsk, HttpOutcome } from './http-peer.ts';
import type { Manifest, SteeredLab } from './steered-lab.ts';

/** That Sluices of labs serve on. */
export const HTTP_PORT = 18_080;
export const HTTPS_PORT = 18_443;

/** A pod with these in Sluice's namespace gives its node's ingress address. */
export const HOLDER = { namespace: 'sluice-system', labels: { 'sluice.io/ingress-address': '' } } as const;

/** What a client asks an Ingress for, to get to a server at its address of a family. */
export function hostOf(server: string, family: Family): string {
  return `${server}-${family}.test`;
}

/** A Service for each family of a pod that serves, its endpoint, and an Ingress for it. */
export function served({ lab }: SteeredLab, server: string): readonly Manifest[] {
  return servedAt(server, lab.pod(server).addresses, 80);
}

/** What else an Ingress says. */
export interface IngressText {
  readonly annotations?: Readonly<Record<string, string>>;
  /** A Secret with the certificate for its host. Default: no TLS. */
  readonly secretName?: string;
}

/** The same for who is no pod, or serves on another port. */
export function servedAt(
  server: string,
  addresses: Readonly<Record<Family, string>>,
  port: number,
  { annotations = {}, secretName }: IngressText = {},
): readonly Manifest[] {
  return FAMILIES.flatMap((family) => {
    const name = `${server}-${family}`;
    const ports = [{ port: 80, protocol: 'TCP' }];
    const host = hostOf(server, family);
    const tls = secretName === undefined ? [] : [{ hosts: [host], secretName }];
    const path = { path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } };
    return [
      { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP: 'None', selector: { app: server }, ports } },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name, labels: { 'kubernetes.io/service-name': name } },
        addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
        endpoints: [{ addresses: [addresses[family]], conditions: { ready: true } }],
        ports: [{ name: '', port, protocol: 'TCP' }],
      },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name, annotations },
        spec: { ingressClassName: 'cilium', rules: [{ host, http: { paths: [path] } }], tls },
      },
    ];
  });
}

/** What the Ingresses of all nodes themselves may. */
export function ofIngress(rule: Manifest): Manifest {
  const endpointSelector = { matchExpressions: [{ key: 'reserved:ingress', operator: 'Exists' }] };
  const metadata = { name: 'of-ingress' };
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata, spec: { endpointSelector, ...rule } };
}

/** Asks a server by the Ingress of a node, from that node. */
export function askIngress(lab: SteeredLab, server: string, family: Family, ask: Partial<HttpAsk> = {}): Promise<HttpOutcome> {
  const whole = { to: '127.0.0.1', port: HTTP_PORT, headers: { host: hostOf(server, family) }, timeoutMs: 10_000, ...ask };
  return lab.peer('node-1').ask(whole);
}
