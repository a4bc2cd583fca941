import type { Argv } from 'yargs';
import { configOption, kubeconfigOption, namespaceOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { requireSettings } from '../settings.ts';

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
      const [{ examineMachine, examineCluster }, { formatDoctor }] = await Promise.all([
        import('../doctor/examine.ts'),
        import('../text/doctor.ts'),
      ]);
      const results = [...(await examineMachine(ingress)), ...(cluster ? await examineCluster({ kubeconfig, namespace, ingress }) : [])];
      await (output === 'json' ? printJson({ checks: results }) : print(formatDoctor(results)));
      if (results.some(({ result }) => result === 'failed')) process.exitCode = 1;
    },
  );
}
