import assert from 'node:assert/strict';
import { z } from 'zod';
import type { RunningLab } from '../lab/index.ts';

/** Where objects of a kind are, and whether in namespaces. */
const PLACES = {
  Deployment: ['/apis/apps/v1', 'deployments'],
  EndpointSlice: ['/apis/discovery.k8s.io/v1', 'endpointslices'],
  Event: ['/apis/events.k8s.io/v1', 'events'],
  Ingress: ['/apis/networking.k8s.io/v1', 'ingresses'],
  IngressClass: ['/apis/networking.k8s.io/v1', 'ingressclasses'],
  Namespace: ['/api/v1', 'namespaces'],
  Node: ['/api/v1', 'nodes'],
  Pod: ['/api/v1', 'pods'],
  Secret: ['/api/v1', 'secrets'],
  Service: ['/api/v1', 'services'],
  SluiceSettings: ['/apis/sluice.io/v1alpha1', 'sluicesettings'],
} as const;
const IN_NO_NAMESPACE: ReadonlySet<string> = new Set(['IngressClass', 'Namespace', 'Node', 'SluiceSettings']);

export type LabKind = keyof typeof PLACES;

const owner = z.object({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().default(false) });
const condition = z.object({ type: z.string(), status: z.string(), observedGeneration: z.int().optional() });
const objectView = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.int().default(0),
    labels: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(owner).default([]),
  }),
  spec: z.object({ type: z.string().default('') }).optional(),
  status: z
    .object({
      loadBalancer: z.object({ ingress: z.array(z.object({ ip: z.string() })).default([]) }).default({ ingress: [] }),
      conditions: z.array(condition).default([]),
    })
    .optional(),
  endpoints: z.array(z.object({ addresses: z.array(z.string()) })).nullish(),
  reason: z.string().optional(),
  regarding: z.object({ uid: z.string().default('') }).optional(),
});

/** What tests ask of objects of any kind. */
export type LabObject = z.output<typeof objectView>;

/** Objects of a lab by kind and name, in namespace `default` unless said otherwise. */
export class LabObjects {
  readonly #lab: RunningLab;

  constructor(lab: RunningLab) {
    this.#lab = lab;
  }

  /** Undefined where there is none. */
  async find(kind: LabKind, name: string, namespace?: string): Promise<LabObject | undefined> {
    const { status, body } = await this.#lab.request(pathOf(kind, name, namespace));
    if (status === 404) return undefined;
    assert.equal(status, 200, body);
    return objectView.parse(JSON.parse(body));
  }

  async get(kind: LabKind, name: string, namespace?: string): Promise<LabObject> {
    const found = await this.find(kind, name, namespace);
    assert.ok(found, `there is no ${kind} ${name}`);
    return found;
  }

  async list(kind: LabKind, namespace?: string): Promise<readonly LabObject[]> {
    const { status, body } = await this.#lab.request(pathOf(kind, '', namespace));
    assert.equal(status, 200, body);
    return z.object({ items: z.array(objectView) }).parse(JSON.parse(body)).items;
  }

  /** What is not there is no error. */
  async remove(kind: LabKind, name: string, namespace?: string): Promise<void> {
    const { status, body } = await this.#lab.request(pathOf(kind, name, namespace), { method: 'DELETE' });
    assert.ok([200, 202, 404].includes(status), body);
  }

  /** By a merge patch, as somebody without a field manager of ours. */
  async merge(kind: LabKind, name: string, fields: object, subresource?: 'status'): Promise<void> {
    const path = pathOf(kind, name) + (subresource ? `/${subresource}` : '');
    const { status, body } = await this.#lab.request(path, {
      method: 'PATCH',
      body: fields,
      contentType: 'application/merge-patch+json',
    });
    assert.equal(status, 200, body);
  }

  /** The load balancer's addresses that its status tells. */
  async addresses(kind: 'Ingress' | 'Service', name: string, namespace?: string): Promise<readonly string[]> {
    const { status } = await this.get(kind, name, namespace);
    return status?.loadBalancer.ingress.map(({ ip }) => ip) ?? [];
  }
}

function pathOf(kind: LabKind, name: string, namespace = 'default'): string {
  const [api, plural] = PLACES[kind];
  const scope = IN_NO_NAMESPACE.has(kind) ? '' : `/namespaces/${namespace}`;
  return `${api}${scope}/${plural}${name === '' ? '' : `/${name}`}`;
}
