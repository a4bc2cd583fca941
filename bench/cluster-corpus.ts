import { execFileSync } from 'node:child_process';
import type { ApiClient } from '../kube/index.ts';

/** 5,000 Ingresses with a rule each, of which 100 have an address of their own; 20,000 endpoints of 1,000 Services. */
export const CLUSTER_SIZE = { ingresses: 5_000, dedicated: 100, services: 1_000, endpointsPerService: 20 } as const;

export const NAMESPACE = 'bench';
const NETWORKING = '/apis/networking.k8s.io/v1';
const DISCOVERY = '/apis/discovery.k8s.io/v1';
const WRITERS = 16;
const PORT_NAME = 'http';
/** Of all endpoints. */
const ENDPOINT_RANGE = '10.32.0.0/11';
/** Where an endpoint goes that {@link ClusterCorpus.moveEndpoint} moves: past those that stay. */
const MOVED_FROM = 100;
const MOVED_PLACES = 100;

/** Makes all addresses of endpoints this machine's own, in a network namespace of one's own. */
export function ownEndpointAddresses(): void {
  execFileSync('ip', ['route', 'add', 'local', ENDPOINT_RANGE, 'dev', 'lo']);
}

export function hostOf(ingress: number): string {
  return `app-${ingress}.bench.test`;
}

/** The Service that an Ingress leads to. */
export function serviceOf(ingress: number): number {
  return ingress % CLUSTER_SIZE.services;
}

/** The objects of an API server that are measured, and their changes. Every endpoint is answered by whatever listens on all addresses. */
export class ClusterCorpus {
  readonly #client: ApiClient;
  readonly #moved = new Map<number, string>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Creates everything, in parallel. @param port of all endpoints */
  async create(port: number): Promise<void> {
    const ingressClass = { metadata: { name: 'cilium' }, spec: { controller: 'cilium.io/ingress-controller' } };
    await this.#client.request({ method: 'POST', path: `${NETWORKING}/ingressclasses`, body: ingressClass });
    await this.#client.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: NAMESPACE } } });
    const wanted = manifests(port);
    const write = async () => {
      for (const { path, body } of wanted) await this.#client.request({ method: 'POST', path, body });
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
  }

  /** Gives an Ingress this path instead of the one that it has. */
  async setPath(ingress: number, path: string): Promise<void> {
    await this.#patch(`${NETWORKING}/namespaces/${NAMESPACE}/ingresses/app-${ingress}`, { spec: { rules: [ruleOf(ingress, path)] } });
  }

  /** Moves all endpoints of a Service to another port. */
  async setPort(service: number, port: number): Promise<void> {
    await this.#patch(slicePath(service), { ports: [portOf(port)] });
  }

  /** Gives one endpoint of a Service another address, as when a pod is replaced. @param round different from that of the last time */
  async moveEndpoint(service: number, round: number): Promise<void> {
    const address = addressOf(service, MOVED_FROM + (round % MOVED_PLACES));
    const endpoints = endpointsOf(service).with(round % CLUSTER_SIZE.endpointsPerService, endpointAt(address, 'moved'));
    this.#moved.set(service, address);
    await this.#patch(slicePath(service), { endpoints });
  }

  /** The addresses that endpoints were moved to last. */
  get movedTo(): readonly string[] {
    return [...this.#moved.values()];
  }

  /** Gives every load balancer an address, as a cloud would. @returns how many there are */
  async giveAddresses(): Promise<number> {
    const list = await this.#client.request({ path: '/api/v1/services' });
    const { items }: { readonly items: readonly LoadBalancer[] } = JSON.parse(JSON.stringify(list));
    const waiting = items.filter(({ spec }) => spec.type === 'LoadBalancer').values();
    let given = 0;
    const write = async () => {
      for (const { metadata } of waiting) {
        given += 1;
        const status = { loadBalancer: { ingress: [{ ip: `192.0.2.${given}` }] } };
        await this.#patch(`/api/v1/namespaces/${metadata.namespace}/services/${metadata.name}/status`, { status });
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    return given;
  }

  async #patch(path: string, body: object): Promise<void> {
    await this.#client.request({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' });
  }
}

interface LoadBalancer {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: { readonly type?: string };
}

function* manifests(port: number): Generator<{ readonly path: string; readonly body: object }> {
  for (let index = 0; index < CLUSTER_SIZE.services; index += 1) {
    const labels = { 'kubernetes.io/service-name': `svc-${index}` };
    const service = { metadata: { name: `svc-${index}` }, spec: { ports: [{ name: PORT_NAME, port: 80 }] } };
    const slice = {
      metadata: { name: `svc-${index}-1`, labels },
      addressType: 'IPv4',
      ports: [portOf(port)],
      endpoints: endpointsOf(index),
    };
    yield { path: `/api/v1/namespaces/${NAMESPACE}/services`, body: service };
    yield { path: `${DISCOVERY}/namespaces/${NAMESPACE}/endpointslices`, body: slice };
  }
  for (let index = 0; index < CLUSTER_SIZE.ingresses; index += 1) {
    const annotations = { 'ingress.cilium.io/loadbalancer-mode': index < CLUSTER_SIZE.dedicated ? 'dedicated' : 'shared' };
    const spec = { ingressClassName: 'cilium', rules: [ruleOf(index, '/start')] };
    yield { path: `${NETWORKING}/namespaces/${NAMESPACE}/ingresses`, body: { metadata: { name: `app-${index}`, annotations }, spec } };
  }
}

function ruleOf(ingress: number, path: string): object {
  const backend = { service: { name: `svc-${serviceOf(ingress)}`, port: { number: 80 } } };
  return { host: hostOf(ingress), http: { paths: [{ path, pathType: 'Prefix', backend }] } };
}

function portOf(port: number): object {
  return { name: PORT_NAME, port, protocol: 'TCP' };
}

function slicePath(service: number): string {
  return `${DISCOVERY}/namespaces/${NAMESPACE}/endpointslices/svc-${service}-1`;
}

function endpointsOf(service: number): readonly object[] {
  return Array.from({ length: CLUSTER_SIZE.endpointsPerService }, (_, endpoint) =>
    endpointAt(addressOf(service, endpoint + 1), `${endpoint}`),
  );
}

/** As much as the controllers of Kubernetes write. */
function endpointAt(address: string, pod: string): object {
  const conditions = { ready: true, serving: true, terminating: false };
  return {
    addresses: [address],
    conditions,
    nodeName: `node-${pod}`,
    targetRef: { kind: 'Pod', namespace: NAMESPACE, name: `pod-${pod}` },
  };
}

function addressOf(service: number, last: number): string {
  return `10.${32 + (service >> 8)}.${service & 255}.${last}`;
}
