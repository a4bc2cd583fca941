import type { CheckResult } from '../cli/doctor/check.ts';
import { checkCluster } from '../cli/doctor/cluster.ts';
import { openApiClient } from '../kube/index.ts';

const CLASS = { className: 'cilium', controllerName: 'cilium.io/ingress-controller' };

/** What `sluice doctor --cluster` finds, by the names of its checks. @param kubeconfig of whoever asks */
export async function askDoctor(kubeconfig: string): Promise<ReadonlyMap<string, CheckResult>> {
  const client = openApiClient({ kubeconfig });
  try {
    const results = await checkCluster({ client, namespace: 'sluice-system', ...CLASS, now: Date.now });
    return new Map(results.map((result) => [result.name, result]));
  } finally {
    await client.close();
  }
}
