import { existsSync, readFileSync } from 'node:fs';
import { release, totalmem } from 'node:os';
import { EnvoyError, envoyVersion } from '../../agent/index.ts';
import { CredentialsError, openApiClient } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { userAgentOf } from '../api-client.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { readVersions } from '../version.ts';
import { type CheckResult, failed, ok } from './check.ts';
import { checkCluster } from './cluster.ts';
import { KERNEL_FACTS } from './kernel-facts.ts';
import { checkEnvoy, checkMachine } from './machine.ts';
import { checkPolicyMachine } from './policy-machine.ts';
import { checkPorts } from './ports.ts';

type IngressSettings = Settings['ingress'];

export interface ClusterToAsk {
  /** Default: as kubectl finds it. */
  readonly kubeconfig: string | undefined;
  /** Where Sluice is installed. */
  readonly namespace: string;
  readonly ingress: IngressSettings;
}

/** What the machine that this runs on has, for Ingresses and for policies. */
export async function examineMachine(ingress: IngressSettings): Promise<readonly CheckResult[]> {
  const facts = machineFacts();
  return [...checkMachine(facts), ...checkPolicyMachine(facts, KERNEL_FACTS), ...checkPorts(facts, ingress), await askEnvoy()];
}

/** What the API server is, has and allows; one result where nobody is let in. */
export async function examineCluster({ kubeconfig, namespace, ingress }: ClusterToAsk): Promise<readonly CheckResult[]> {
  try {
    const client = openApiClient({
      ...(kubeconfig !== undefined && { kubeconfig }),
      answerWithinMs: 5_000,
      userAgent: userAgentOf('sluice'),
    });
    try {
      return await checkCluster({ client, namespace, ...ingress, now: Date.now });
    } finally {
      await client.close();
    }
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    return [failed('api-server', error.message, 'name a kubeconfig by --kubeconfig, or ask with --no-cluster')];
  }
}

function machineFacts() {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  };
  return { kernelRelease: release(), memoryMb: totalmem() / 2 ** 20, read, exists: existsSync };
}

async function askEnvoy(): Promise<CheckResult> {
  const [binary, wanted] = [envoyBinary(), readVersions().envoy];
  // In a cluster Envoy is another container's, and the agents check it.
  if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined && !existsSync(binary)) return ok('envoy', 'in a container of its own');
  try {
    return checkEnvoy(binary, wanted, { is: await envoyVersion(binary) });
  } catch (error) {
    if (!(error instanceof EnvoyError)) throw error;
    return checkEnvoy(binary, wanted, { problem: error.message });
  }
}
