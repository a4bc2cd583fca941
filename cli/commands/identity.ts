import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import type { KnownIdentity } from '../enforcer/node-identities.ts';
import { DEFAULT_PORTS, kubeconfigOption, outputOption, portOption } from '../options.ts';
import { print, printJson } from '../output.ts';

export function addIdentity(yargs: Argv): Argv {
  return yargs.command('identity', 'Tell what the numbers stand for that policy knows pods and addresses by', (command) =>
    addGet(addList(command)).demandCommand(1, 'say which: sluice identity list, or sluice identity get NUMBER'),
  );
}

function addList(yargs: Argv): Argv {
  return yargs.command(
    'list',
    'All that this node, or a cluster, knows',
    (command) => sources(command).example('sluice identity list', 'of this node, with those of addresses'),
    async ({ adminPort, cluster, kubeconfig, output }) => {
      const [known, { formatIdentities }] = await Promise.all([ask({ adminPort, cluster, kubeconfig }), import('../text/identities.ts')]);
      await (output === 'json' ? printJson(known) : print(formatIdentities(known)));
    },
  );
}

function addGet(yargs: Argv): Argv {
  return yargs.command(
    'get <number>',
    'The labels and addresses of one',
    (command) =>
      sources(command)
        .positional('number', { type: 'string', demandOption: true, describe: 'The identity', coerce: checkNumber })
        .example('sluice identity get 16842', 'exit code 1 where nobody has it'),
    async ({ number, adminPort, cluster, kubeconfig, output }) => {
      const [known, { formatKnownIdentity }] = await Promise.all([
        ask({ adminPort, cluster, kubeconfig }),
        import('../text/identities.ts'),
      ]);
      const found = known.find(({ identity }) => identity === number);
      if (!found) throw new CliError('failed', `nobody has the identity ${number}${cluster ? ' in this cluster' : ' on this node'}`);
      await (output === 'json' ? printJson(found) : print(formatKnownIdentity(found)));
    },
  );
}

function sources(command: Argv) {
  return command
    .option('admin-port', portOption('admin-port', DEFAULT_PORTS.enforcerAdmin, "Port of the enforcer's admin endpoint on this node"))
    .option('cluster', { type: 'boolean', default: false, describe: 'Those that a cluster has for labels, without addresses' })
    .option('kubeconfig', kubeconfigOption)
    .option('output', outputOption);
}

interface Sources {
  readonly adminPort: number;
  readonly cluster: boolean;
  readonly kubeconfig: string | undefined;
}

async function ask({ adminPort, cluster, kubeconfig }: Sources): Promise<readonly KnownIdentity[]> {
  const [{ askClusterIdentities, askIdentities }, { withApiServer }] = await Promise.all([
    import('../enforcer/ask-enforcer.ts'),
    import('../api-client.ts'),
  ]);
  return cluster || kubeconfig !== undefined ? await withApiServer(kubeconfig, askClusterIdentities) : await askIdentities(adminPort);
}

function checkNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new CliError('usage', `${JSON.stringify(text)} is no identity: it is a number`);
}
