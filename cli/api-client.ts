import { ApiError, type ApiServerClient, CredentialsError, openApiClient } from '../kube/index.ts';
import { CliError } from './cli-error.ts';
import { describeFailure } from './describe-failure.ts';
import { readVersions } from './version.ts';

/**
 * The API server that a kubeconfig names, or that of the pod that this runs in.
 * @param userAgent how it calls itself there, see {@link userAgentOf}
 * @throws CliError where there are no credentials
 */
export function requireApiClient(kubeconfig: string | undefined, userAgent = userAgentOf('sluice')): ApiServerClient & AsyncDisposable {
  try {
    const client = openApiClient({ userAgent, ...(kubeconfig !== undefined && { kubeconfig }) });
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
  } catch (error) {
    if (error instanceof CredentialsError) throw new CliError('usage', error.message, { cause: error });
    throw error;
  }
}

/**
 * Asks an API server something.
 * @param kubeconfig as {@link requireApiClient} has it
 * @throws CliError where it does not answer, or refuses
 */
export async function withApiServer<T>(kubeconfig: string | undefined, ask: (client: ApiServerClient) => Promise<T>): Promise<T> {
  await using client = requireApiClient(kubeconfig);
  try {
    return await ask(client);
  } catch (error) {
    if (error instanceof ApiError) throw new CliError('failed', describeFailure(error), { cause: error });
    throw error;
  }
}

/**
 * `sluice-controller/0.1.0 (sluice-controller-5d5f)`: what of Sluice asks, of which version, and which one of several. The audit log has it.
 * @param instance the name of a pod or node; what a comment of a header cannot hold is left out
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-user-agent
 */
export function userAgentOf(product: string, instance = ''): string {
  const name = instance.replace(/[^\w.:-]/g, '');
  return `${product}/${readVersions().sluice}${name === '' ? '' : ` (${name})`}`;
}
