import { ApiServerSource, type KubeObject, POLICY_RESOURCES, WATCHED_RESOURCES } from '../../kube/index.ts';
import { requireApiClient } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';

const RESOURCES = [...POLICY_RESOURCES, ...WATCHED_RESOURCES].filter(({ kind }) => {
  return (
    kind === 'Service' || kind === 'EndpointSlice' || (kind !== 'SluiceIdentity' && POLICY_RESOURCES.some((each) => each.kind === kind))
  );
});
const TIMEOUT_MS = 30_000;

/**
 * All that policy is made of in a cluster, read once.
 * @throws CliError where some of it cannot be read
 */
export async function readPolicyObjects(kubeconfig: string | undefined): Promise<readonly KubeObject[]> {
  await using client = requireApiClient(kubeconfig);
  const source = new ApiServerSource(client, { resources: RESOURCES });
  for await (const { upserts } of source.watch(AbortSignal.timeout(TIMEOUT_MS))) return upserts;
  const unread = source.state().filter(({ synced }) => !synced);
  const why = unread.map(({ kind, error }) => `${kind}: ${error ? describeFailure(error) : 'no answer'}`).join('; ');
  throw new CliError('failed', `the cluster could not be read within ${TIMEOUT_MS / 1_000} seconds: ${why}`);
}
