import { type ApiClientOptions, ApiServerClient } from './api-server-client.ts';
import { type Access, CredentialsError } from './credentials.ts';
import { inClusterAccess } from './in-cluster.ts';
import { chooseFromKubeconfigs, readKubeconfigs } from './kubeconfig.ts';
import { kubeconfigAccess } from './kubeconfig-access.ts';

export interface OpenApiClientOptions extends ApiClientOptions {
  /** A kubeconfig to use and nothing else. */
  readonly kubeconfig?: string;
  /** Of the kubeconfig; default is its current context. */
  readonly context?: string;
  /** Default: that of the process. */
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * The API server that a kubeconfig names (the one that is given, or KUBECONFIG), else the one that this pod runs under, else
 * that of `~/.kube/config`. Nothing is sent yet.
 * @throws CredentialsError where there are no usable credentials
 */
export function openApiClient(options: OpenApiClientOptions = {}): ApiServerClient {
  return new ApiServerClient(findAccess(options), options);
}

function findAccess({ kubeconfig, context, environment = process.env }: OpenApiClientOptions): Access {
  const named = kubeconfig ?? environment['KUBECONFIG'];
  const inCluster = named || context !== undefined ? undefined : inClusterAccess(environment);
  if (inCluster) return inCluster;
  const texts = readKubeconfigs(named ? { KUBECONFIG: named } : {});
  if (texts.length === 0) {
    const message = named ? `there is no kubeconfig at ${named}` : 'there is neither a kubeconfig nor a service account';
    throw new CredentialsError('not-found', message);
  }
  return kubeconfigAccess(chooseFromKubeconfigs(texts, context));
}
