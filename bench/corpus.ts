import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How large a folder of manifests is made. */
export interface CorpusSize {
  readonly ingresses: number;
  /** Each Ingress has one host; this many paths below it, each to a Service of its own. */
  readonly pathsPerIngress: number;
  readonly services: number;
  readonly endpointsPerService: number;
}

/** Where real requests are answered: two backends that say who they are. */
export interface CorpusBackends {
  readonly first: number;
  readonly second: number;
}

const NAMESPACE = 'bench';

export function hostOf(ingress: number): string {
  return `app-${ingress}.bench.test`;
}

export function ingressFile(folder: string, ingress: number): string {
  return join(folder, 'ingresses', `app-${ingress}.yaml`);
}

export function slicesFile(folder: string, service: number): string {
  return join(folder, 'services', `svc-${service}.yaml`);
}

/** @param marker a path that exists in this version of the Ingress only */
export function ingressManifest(ingress: number, { pathsPerIngress, services }: CorpusSize, marker: string): string {
  const paths = Array.from({ length: pathsPerIngress }, (_, index) => {
    const path = index === 0 ? `/${marker}` : `/part-${index}`;
    const service = (ingress * pathsPerIngress + index) % services;
    return `      - {path: ${path}, pathType: Prefix, backend: {service: {name: svc-${service}, port: {number: 80}}}}\n`;
  });
  return `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app-${ingress}, namespace: ${NAMESPACE}}
spec:
  ingressClassName: cilium
  rules:
  - host: ${hostOf(ingress)}
    http:
      paths:
${paths.join('')}`;
}

/** @param ports one for each endpoint, on loopback addresses of their own */
export function serviceManifest(service: number, ports: readonly number[]): string {
  const endpoints = ports.map((_, index) => `- {addresses: ["127.0.0.${1 + index}"], conditions: {ready: true}}\n`);
  return `apiVersion: v1
kind: Service
metadata: {name: svc-${service}, namespace: ${NAMESPACE}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: svc-${service}-a, namespace: ${NAMESPACE}, labels: {kubernetes.io/service-name: svc-${service}}}
addressType: IPv4
ports: [{name: http, port: ${ports[0]}}]
endpoints:
${endpoints.join('')}`;
}

/** Writes the whole folder: a file an Ingress, and a file a Service with its endpoints. */
export async function writeCorpus(folder: string, size: CorpusSize, backends: CorpusBackends): Promise<void> {
  await mkdir(join(folder, 'ingresses'), { recursive: true });
  await mkdir(join(folder, 'services'), { recursive: true });
  const writes = [
    ...range(size.ingresses).map((index) => () => writeFile(ingressFile(folder, index), ingressManifest(index, size, 'start'))),
    ...range(size.services).map((index) => () => {
      const ports = new Array<number>(size.endpointsPerService).fill(backends.first);
      return writeFile(slicesFile(folder, index), serviceManifest(index, ports));
    }),
  ];
  while (writes.length > 0) await Promise.all(writes.splice(0, 200).map((write) => write()));
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
