import { FAMILIES, type Family } from '../lab/netns/index.ts';
import { type Manifest, type SteeredLab, zoneOf } from './steered-lab.ts';

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

export interface ServedHow {
  /** What else the Service that pods serve says. */
  readonly spec?: Manifest;
  /** Which pods serve it. Default: both. */
  readonly servers?: readonly string[];
  /** By pod, the node whose zone it is to serve. */
  readonly hints?: Readonly<Record<string, string>>;
}

/** Both with the annotations. */
export function balancedServices(
  { lab }: SteeredLab,
  annotations: Readonly<Record<string, string>>,
  { spec = {}, servers = ['one', 'two'], hints = {} }: ServedHow = {},
): readonly Manifest[] {
  const pods = servers.map((name) => lab.pod(name));
  const slices = FAMILIES.map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `balanced-${family}`, labels: { 'kubernetes.io/service-name': 'balanced' } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    endpoints: pods.map(({ name, node, addresses }) => ({
      addresses: [addresses[family]],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name },
      nodeName: node,
      ...(hints[name] !== undefined && { hints: { forZones: [{ name: zoneOf(hints[name]) }] } }),
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
