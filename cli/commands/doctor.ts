import { existsSync, readFileSync } from 'node:fs';
import { release, totalmem } from 'node:os';
import type { Argv } from 'yargs';
import { EnvoyError, envoyVersion } from '../../agent/index.ts';
import { CredentialsError, openApiClient } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { userAgentOf } from '../api-client.ts';
import { type CheckResult, failed, ok } from '../doctor/check.ts';
import { checkCluster } from '../doctor/cluster.ts';
import { checkEnvoy, checkMachine } from '../doctor/machine.ts';
import { checkPolicyMachine } from '../doctor/policy-machine.ts';
import { checkPorts } from '../doctor/ports.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { configOption, kubeconfigOption, namespaceOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { requireSettings } from '../settings.ts';
import { formatDoctor } from '../text/doctor.ts';
import { readVersions } from '../version.ts';

export function addDoctor(yargs: Argv): Argv {
  return yargs.command(
    'doctor',
    'Find out what is wrong with this machine, the cluster or the installation',
    (command) =>
      command
        .option('cluster', { type: 'boolean', default: true, describe: 'Also ask the API server; --no-cluster for this machine alone' })
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', namespaceOption)
        .option('config', configOption)
        .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Form of the answer' })
        .example('sluice doctor', 'exit code 0 unless a check failed')
        .example('sluice doctor --no-cluster', 'this machine alone'),
    async ({ cluster, kubeconfig, namespace, config, output }) => {
      const { ingress } = await requireSettings(config);
      const facts = machineFacts();
      const { KERNEL_FACTS } = await import('../doctor/kernel-facts.ts');
      const ofPolicy = checkPolicyMachine(facts, KERNEL_FACTS);
      const results = [...checkMachine(facts), ...ofPolicy, ...checkPorts(facts, ingress), await askEnvoy()];
      if (cluster) results.push(...(await askCluster(kubeconfig, namespace, ingress)));
      await (output === 'json' ? printJson({ checks: results }) : print(formatDoctor(results)));
      if (results.some(({ result }) => result === 'failed')) process.exitCode = 1;
    },
  );
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

async function askCluster(
  kubeconfig: string | undefined,
  namespace: string,
  ingress: Settings['ingress'],
): Promise<readonly CheckResult[]> {
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
