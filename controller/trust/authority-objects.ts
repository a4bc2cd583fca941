import { z } from 'zod';
import { type ApiClient, ifFound } from '../../kube/index.ts';
import { type AuthorityState, bundleOf, decodeAuthority, encodeAuthority } from './authority-state.ts';
import { TrustError } from './trust-error.ts';

const NAME = 'sluice-ca';
const TYPE = 'sluice.io/ca';

const metadata = z.object({ resourceVersion: z.string() });
const secret = z.object({
  metadata,
  type: z.string(),
  data: z
    .record(
      z.string(),
      z.base64().transform((encoded) => Buffer.from(encoded, 'base64').toString('latin1')),
    )
    .default({}),
});
const configMap = z.object({ metadata, data: z.record(z.string(), z.string()).default({}) });

/** An authority as it is stored. */
export interface StoredAuthority {
  readonly state: AuthorityState;
  readonly resourceVersion: string;
}

/** Reads and writes the Secret and the ConfigMap `sluice-ca`. Throws ApiError, or TrustError `damaged-authority`. */
export class AuthorityObjects {
  readonly #client: ApiClient;
  readonly #secrets: string;
  readonly #configMaps: string;

  constructor(client: ApiClient, namespace: string) {
    this.#client = client;
    this.#secrets = `/api/v1/namespaces/${namespace}/secrets`;
    this.#configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
  }

  /** @returns undefined where there is none */
  async read(signal?: AbortSignal): Promise<StoredAuthority | undefined> {
    const found = await this.#get(`${this.#secrets}/${NAME}`, signal);
    if (found === undefined) return undefined;
    // What the schema has to say would quote the Secret.
    const { success, data: read } = secret.safeParse(found);
    if (!success || read.type !== TYPE) throw new TrustError('damaged-authority', `the Secret ${NAME} is not of type ${TYPE}`);
    return { state: decodeAuthority(read.data), resourceVersion: read.metadata.resourceVersion };
  }

  /** Another leader may have been faster: `already-exists`. */
  async create(state: AuthorityState): Promise<void> {
    await this.#client.request({ method: 'POST', path: this.#secrets, body: manifestOf(state) });
  }

  /** Another leader may have been faster: `conflict`. */
  async replace(state: AuthorityState, resourceVersion: string): Promise<void> {
    await this.#client.request({ method: 'PUT', path: `${this.#secrets}/${NAME}`, body: manifestOf(state, resourceVersion) });
  }

  /** Makes the ConfigMap say whom to trust, if it does not. */
  async publish(state: AuthorityState, signal?: AbortSignal): Promise<void> {
    const data = { 'ca.crt': bundleOf(state) };
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: NAME }, data };
    const path = `${this.#configMaps}/${NAME}`;
    const found = await this.#get(path, signal);
    if (found === undefined) {
      await this.#client.request({ method: 'POST', path: this.#configMaps, body });
      return;
    }
    if (configMap.safeParse(found).data?.data['ca.crt'] === data['ca.crt']) return;
    await this.#client.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body: { data } });
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    return await ifFound(this.#client.request({ path, ...(signal && { signal }) }));
  }
}

function manifestOf(state: AuthorityState, resourceVersion?: string) {
  const data = Object.entries(encodeAuthority(state)).map(([name, value]) => [name, Buffer.from(value).toString('base64')] as const);
  const written = { name: NAME, ...(resourceVersion !== undefined && { resourceVersion }) };
  return { apiVersion: 'v1', kind: 'Secret', metadata: written, type: TYPE, data: Object.fromEntries(data) };
}
