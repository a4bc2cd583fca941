import { type ApiClient, ApiError } from '../kube/index.ts';
import type { MadeCertificate } from './make-certificate.ts';
import { ingressManifest, type ManifestObject, secretManifest, serviceManifest, sliceManifest } from './manifest-objects.ts';

export interface RandomEditsOptions {
  readonly client: ApiClient;
  /** For endpoints; the API server has to accept it. */
  readonly address: string;
  readonly certificate: MadeCertificate;
}

const NAMES = 24;
const DELETED_PART = 0.2;

interface Kind {
  readonly path: string;
  readonly make: (name: string) => ManifestObject;
}

/** Edits of random objects `edited-N`: written anew with other content, valid and invalid, or deleted. */
export class RandomEdits {
  readonly #options: RandomEditsOptions;
  readonly #kinds: readonly Kind[];
  readonly #byOutcome = new Map<string, number>();
  /** That the API server has taken. */
  count = 0;

  constructor(options: RandomEditsOptions) {
    this.#options = options;
    const { address, certificate } = options;
    this.#kinds = [
      { path: '/apis/networking.k8s.io/v1/namespaces/default/ingresses', make: anyIngress },
      { path: '/api/v1/namespaces/default/services', make: anyService },
      { path: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', make: (name) => anySlice(name, address) },
      { path: '/api/v1/namespaces/default/secrets', make: (name) => anySecret(name, certificate) },
      { path: '/apis/networking.k8s.io/v1/ingressclasses', make: anyClass },
    ];
  }

  /** Makes one edit. @throws ApiError where there is no answer */
  async one(): Promise<void> {
    const kind = oneOf(this.#kinds);
    const name = `edited-${below(NAMES)}`;
    const path = `${kind.path}/${name}`;
    const deletes = Math.random() < DELETED_PART;
    const query = { fieldManager: 'editor', force: 'true' };
    const request = deletes
      ? ({ method: 'DELETE', path } as const)
      : ({ method: 'PATCH', path, query, contentType: 'application/apply-patch+yaml', body: kind.make(name) } as const);
    const outcome = await this.#outcomeOf(request, deletes ? 'deleted' : 'written');
    this.#byOutcome.set(outcome, (this.#byOutcome.get(outcome) ?? 0) + 1);
  }

  async #outcomeOf(request: Parameters<ApiClient['request']>[0], outcome: string): Promise<string> {
    try {
      await this.#options.client.request(request);
    } catch (error) {
      if (error instanceof ApiError && error.status !== undefined) return `refused with ${error.status}`;
      throw error;
    }
    this.count += 1;
    return outcome;
  }

  /** As in `written 12, deleted 3, 404 1`. */
  describe(): string {
    return [...this.#byOutcome].map(([outcome, count]) => `${outcome} ${count}`).join(', ');
  }
}

function anyIngress(name: string): ManifestObject {
  const className = oneOf(['cilium', 'cilium', 'cilium', 'other', `edited-${below(NAMES)}`, null]);
  const paths = Array.from({ length: 1 + below(3) }, () => ({
    path: oneOf(['/', '/a', '/a/b', `/${below(9)}`]),
    pathType: oneOf(['Prefix', 'Exact', 'ImplementationSpecific'] as const),
    service: oneOf(['steady', `edited-${below(NAMES)}`, 'missing']),
    port: oneOf([80, 81, 'http']),
  }));
  return ingressManifest(name, {
    className,
    rules: { [oneOf([`${name}.test`, 'shared.test', '*.wild.test', ''])]: paths },
    ...(Math.random() < 0.3 && { tls: { [`edited-${below(NAMES)}`]: ['edited.test'] } }),
    annotations: oneOf<Readonly<Record<string, string>>>([
      {},
      { 'loadbalancer-mode': 'shared' },
      { 'loadbalancer-mode': 'dedicated' },
      { 'loadbalancer-mode': 'neither' },
      { 'request-timeout': 'soon' },
      { 'service-type': 'NodePort' },
    ]),
  });
}

function anyService(name: string): ManifestObject {
  return serviceManifest(name, [{ name: oneOf(['http', 'web']), port: oneOf([80, 81]) }], {
    sessionAffinity: oneOf(['None', 'ClientIP']),
  });
}

function anySlice(name: string, address: string): ManifestObject {
  const ready = Math.random() < 0.7;
  const ports = [{ name: oneOf(['http', 'web']), port: 8_000 + below(100) }];
  return sliceManifest(oneOf(['missing', name, name]), ports, { name, endpoints: [{ addresses: [address], conditions: { ready } }] });
}

function anySecret(name: string, { certificate, privateKey }: MadeCertificate): ManifestObject {
  return secretManifest(name, { certificate: oneOf([certificate, 'no certificate']), privateKey });
}

function anyClass(name: string): ManifestObject {
  const spec = { controller: `example.com/${below(3)}` };
  return Object.assign({ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name } }, { spec });
}

function below(end: number): number {
  return Math.floor(Math.random() * end);
}

function oneOf<T>(values: readonly T[]): T {
  const value = values[below(values.length)];
  if (value === undefined) throw new Error('nothing to choose from');
  return value;
}
