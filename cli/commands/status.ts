import type { Argv } from 'yargs';
import type { Status } from '../../controller/admin/status.ts';
import { CliError } from '../cli-error.ts';
import { adminPortOption, kubeconfigOption, namespaceOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { formatStatus } from '../text/status.ts';

const TIMEOUT_MS = 5_000;

export function addStatus(yargs: Argv): Argv {
  return yargs.command(
    'status',
    'Ask a running Sluice, or the whole installation of a cluster, how it is',
    (command) =>
      command
        .option('cluster', { type: 'boolean', default: false, describe: 'Ask every controller and node of a cluster' })
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', namespaceOption)
        .option('wait', { type: 'boolean', default: false, describe: 'Wait until it is ready' })
        .option('timeout', { type: 'number', default: 300, describe: 'How long to wait, in seconds', coerce: checkTimeout })
        .option('admin-port', adminPortOption)
        .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Form of the answer' })
        .example('sluice status', 'exit code 0 where it is ready, 1 where it is not or does not run')
        .example(
          'sluice status --cluster --wait',
          'after an installation: controllers, nodes, Envoys, CiliumEnvoyConfigs, and what is not programmed and why',
        ),
    async ({ cluster, kubeconfig, namespace, wait, timeout, adminPort, output }) => {
      const untilMs = Date.now() + (wait ? timeout * 1_000 : 0);
      if (cluster || kubeconfig !== undefined) {
        const { tellCluster } = await import('../cluster-status/tell-cluster.ts');
        await tellCluster({ kubeconfig, namespace, untilMs, output });
        return;
      }
      const { untilReady } = await import('../cluster-status/until-ready.ts');
      const status = await untilReady(
        () => askStatus(adminPort),
        untilMs,
        () => {},
      );
      await (output === 'json' ? printJson(status) : print(formatStatus(status, Date.now())));
      if (!status.ready) process.exitCode = 1;
    },
  );
}

function checkTimeout(seconds: number): number {
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new CliError('usage', '--timeout must be a number of seconds from 1 to 86400');
}

async function askStatus(port: number): Promise<Status> {
  const url = `http://127.0.0.1:${port}/status`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new CliError('failed', `no Sluice answers on 127.0.0.1:${port}; does \`sluice run\` run, and with this --admin-port?`, { cause });
  }
  const { statusSchema } = await import('../../controller/admin/status.ts');
  const parsed = statusSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw new CliError('failed', `what answers on 127.0.0.1:${port} is not this version of Sluice`);
  return parsed.data;
}
