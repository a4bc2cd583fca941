import type { MadeCertificate } from './make-certificate.ts';

/** A Kubernetes object as a manifest has it. */
export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** `/` to a Service's port 80 unless it says otherwise. */
export interface PathManifest {
  readonly path?: string;
  /** Default `Prefix`. */
  readonly pathType?: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly service: string;
  /** A number or name; default 80. */
  readonly port?: number | string;
}

export interface IngressManifest {
  readonly namespace?: string;
  /** Rules by host, in order; `''` for a rule without host. A string is short for `/` to the Service of that name. */
  readonly rules?: Readonly<Record<string, string | readonly PathManifest[]>>;
  readonly defaultBackend?: string;
  /** Hosts by Secret. */
  readonly tls?: Readonly<Record<string, readonly string[]>>;
  /** Under `ingress.cilium.io/` where they have no prefix. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Null for no class; default `cilium`. */
  readonly className?: string | null;
  readonly creationTimestamp?: string;
}

export function ingressManifest(name: string, options: IngressManifest): ManifestObject {
  const { namespace, rules = {}, tls = {}, defaultBackend, annotations = {}, className = 'cilium', creationTimestamp } = options;
  const withPrefix = Object.entries(annotations).map(([key, value]) => [key.includes('/') ? key : `ingress.cilium.io/${key}`, value]);
  const metadata = {
    name,
    ...(namespace && { namespace }),
    ...(creationTimestamp && { creationTimestamp }),
    annotations: Object.fromEntries(withPrefix),
  };
  return manifest('networking.k8s.io/v1', 'Ingress', metadata, {
    spec: {
      ...(className !== null && { ingressClassName: className }),
      ...(defaultBackend && { defaultBackend: backendOf({ service: defaultBackend }) }),
      rules: Object.entries(rules).map(([host, paths]) => ruleManifest(host, paths)),
      tls: Object.entries(tls).map(([secretName, hosts]) => ({ secretName, hosts })),
    },
  });
}

function ruleManifest(host: string, paths: string | readonly PathManifest[]) {
  const list = typeof paths === 'string' ? [{ service: paths }] : paths;
  return {
    ...(host !== '' && { host }),
    http: { paths: list.map((path) => ({ path: path.path ?? '/', pathType: path.pathType ?? 'Prefix', backend: backendOf(path) })) },
  };
}

function backendOf({ service, port = 80 }: PathManifest) {
  return { service: { name: service, port: typeof port === 'number' ? { number: port } : { name: port } } };
}

interface ServicePortManifest {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly appProtocol?: string;
}

/** A Service; without ports it has port 80. */
export function serviceManifest(
  name: string,
  ports: readonly ServicePortManifest[] = [{ port: 80 }],
  spec: Readonly<Record<string, unknown>> = {},
): ManifestObject {
  return manifest('v1', 'Service', { name }, { spec: { ports, ...spec } });
}

interface EndpointManifest {
  readonly addresses?: readonly string[];
  readonly conditions?: Readonly<Record<string, boolean>>;
}

interface SliceManifest {
  /** Default: the Service's name and `-1`. */
  readonly name?: string;
  readonly addressType?: 'IPv4' | 'IPv6';
  /** Default: one at 127.0.0.1. */
  readonly endpoints?: readonly EndpointManifest[];
}

/** An EndpointSlice of a Service. Names of ports go with those of the Service. */
export function sliceManifest(
  service: string,
  ports: number | readonly { readonly name: string; readonly port: number }[],
  { name = `${service}-1`, addressType = 'IPv4', endpoints = [{}] }: SliceManifest = {},
): ManifestObject {
  const metadata = { name, labels: { 'kubernetes.io/service-name': service } };
  return manifest('discovery.k8s.io/v1', 'EndpointSlice', metadata, {
    addressType,
    ports: typeof ports === 'number' ? [{ port: ports }] : ports,
    endpoints: endpoints.map((endpoint) => ({ addresses: ['127.0.0.1'], ...endpoint })),
  });
}

/** A Secret of type kubernetes.io/tls. */
export function secretManifest(
  name: string,
  { certificate, privateKey }: Pick<MadeCertificate, 'certificate' | 'privateKey'>,
): ManifestObject {
  return manifest('v1', 'Secret', { name }, { type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': privateKey } });
}

function manifest(
  apiVersion: string,
  kind: string,
  metadata: ManifestObject['metadata'],
  content: Readonly<Record<string, unknown>>,
): ManifestObject {
  return { apiVersion, kind, metadata, ...content };
}
