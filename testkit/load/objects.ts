export interface IngressPathInput {
  readonly path?: string;
  readonly pathType?: 'Prefix' | 'Exact' | 'ImplementationSpecific';
  readonly service: string;
  readonly port?: number;
}

export interface IngressInput {
  readonly host: string;
  readonly paths: readonly IngressPathInput[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Name of the Secret. */
  readonly tls?: string;
}

export function ingressManifest(name: string, ...rules: readonly IngressInput[]) {
  const tls = rules.flatMap((rule) => (rule.tls === undefined ? [] : [{ hosts: [rule.host], secretName: rule.tls }]));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, annotations: Object.assign({}, ...rules.map(({ annotations }) => annotations)) },
    spec: {
      ingressClassName: 'cilium',
      ...(tls.length > 0 && { tls }),
      rules: rules.map(({ host, paths }) => ({
        host,
        http: {
          paths: paths.map(({ path = '/', pathType = 'Prefix', service, port = 80 }) => ({
            path,
            pathType,
            backend: { service: { name: service, port: { number: port } } },
          })),
        },
      })),
    },
  };
}

export interface ServicePortInput {
  readonly name: string;
  readonly port: number;
  readonly appProtocol?: string | undefined;
}

export function serviceManifest(
  name: string,
  { ports = [], affinity = 'None' }: { ports?: readonly ServicePortInput[]; affinity?: string } = {},
) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { sessionAffinity: affinity, ports: ports.length > 0 ? ports : [{ name: 'http', port: 80 }] },
  };
}

export interface SliceEndpoint {
  readonly address: string;
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
}

/** An EndpointSlice; its endpoints share a port, as in Kubernetes. */
export function sliceManifest(service: string, suffix: string, port: number, endpoints: readonly SliceEndpoint[], portName = 'http') {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-${suffix}`, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: portName, port }],
    endpoints: endpoints.map(({ address, conditions = { ready: true } }) => ({ addresses: [address], conditions })),
  };
}

export function secretManifest(name: string, certificate: string, privateKey: string) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name },
    stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
  };
}
