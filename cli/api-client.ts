import { type ApiServerClient, CredentialsError, openApiClient } from '../kube/index.ts';
import { CliError } from './cli-error.ts';

/**
 * The API server that a kubeconfig names, or that of the pod that this runs in.
 * @throws CliError where there are no credentials
 */
export function requireApiClient(kubeconfig: string | undefined): ApiServerClient & AsyncDisposable {
  try {
    const client = openApiClient(kubeconfig === undefined ? {} : { kubeconfig });
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
  } catch (error) {
    if (error instanceof CredentialsError) throw new CliError('usage', error.message, { cause: error });
    throw error;
  }
}
