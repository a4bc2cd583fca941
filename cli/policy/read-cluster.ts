import { type ApiClient, ApiServerSource, type KubeObject, POLICY_RESOURCES, WATCHED_RESOURCES } from '../../kube/index.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';

/** All that verdicts depend on; numbers of identities are nobody's business here. */
const RESOURCES = [
  ...POLICY_RESOURCES.filter(({ kind }) => kind !== 'SluiceIdentity'),
  ...WATCHED_RESOURCES.filter(({ kind }) => kind === 'Service' || kind === 'EndpointSlice'),
];

/**
 * All that policy is made of in a cluster, read once.
 * @param timeoutMs how long to try where some of it cannot be read; default 30 seconds
 * @throws CliError where some of it could not be read until then
 */
export async function readPolicyObjects(client: ApiClient, timeoutMs = 30_000): Promise<readonly KubeObject[]> {
  const source = new ApiServerSource(client, { resources: RESOURCES });
  for await (const { upserts } of source.watch(AbortSignal.timeout(timeoutMs))) return upserts;
  const unread = source.state().filter(({ synced }) => !synced);
  const why = unread.map(({ kind, error }) => `${kind}: ${error ? describeFailure(error) : 'no answer'}`).join('; ');
  throw new CliError('failed', `the cluster could not be read within ${timeoutMs / 1_000} seconds: ${why}`);
}
