import { FAMILIES, type Family } from '../lab/netns/index.ts';
import type { Manifest, SteeredLab } from './steered-lab.ts';

/** Of the Service that both pods serve. */
export const BALANCED: Readonly<Record<Family, string>> = { ipv4: '10.96.0.78', ipv6: 'fd00:96::78' };
/** Of one that nobody serves. */
export const EMPTY: Readonly<Record<Family, string>> = { ipv4: '10.96.0.79', ipv6: 'fd00:96::79' };
export const PORTS = { http: 80, grpc: 90, tls: 443, words: 25 } as const;

const SERVICE_PORTS = [
  { name: 'http', port: PORTS.http, protocol: 'TCP' },
  { name: 'grpc', port: PORTS.grpc, protocol: 'TCP', appProtocol: 'grpc' },
  { name: 'tls', port: PORTS.tls, protocol: 'TCP' },
  { name: 'words', port: PORTS.words, protocol: 'TCP' },
] as const;

/** Both with the annotations. @param spec what else the one that pods serve says */
export function balancedServices(
  { lab }: SteeredLab,
  annotations: Readonly<Record<string, string>>,
  spec: Manifest = {},
): readonly Manifest[] {
  const addresses = (family: Family) => ['one', 'two'].map((name) => ({ name, address: lab.pod(name).addresses[family] }));
  const slices = FAMILIES.map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `balanced-${family}`, labels: { 'kubernetes.io/service-name': 'balanced' } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    endpoints: addresses(family).map(({ name, address }) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name },
    })),
    ports: SERVICE_PORTS.map(({ name, port, protocol }) => ({ name, port, protocol })),
  }));
  const balanced = { ...specOf(BALANCED), ...spec };
  return [service('balanced', annotations, balanced), service('empty', annotations, specOf(EMPTY)), ...slices];
}

function specOf(addresses: Readonly<Record<Family, string>>): Manifest {
  return { clusterIP: addresses.ipv4, clusterIPs: Object.values(addresses), ports: SERVICE_PORTS };
}

function service(name: string, annotations: Readonly<Record<string, string>>, spec: Manifest): Manifest {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, annotations }, spec };
}
