import { type ApiClientOptions, ApiServerClient } from '../kube/index.ts';

export interface TestCluster {
  readonly server: string;
  /** In PEM. */
  readonly authority: string;
  readonly serverName?: string;
}

/** A client of an API server with a token, or with no credentials at all, that never change. */
export function apiClientOf(cluster: TestCluster, token?: string, options?: ApiClientOptions): ApiServerClient {
  const credential = token === undefined ? {} : { token };
  return new ApiServerClient({ cluster: () => cluster, credential: async () => credential, refresh: () => {}, headers: {} }, options);
}
