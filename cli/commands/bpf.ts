import { isIP } from 'node:net';
import type { Argv } from 'yargs';
import type { KernelTable } from '../bpf/tables.ts';
import { CliError } from '../cli-error.ts';
import { outputOption, pinFolderOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { formatTable } from '../text/table.ts';

type Tables = typeof import('../bpf/tables.ts');
type Read = (tables: Tables, pinFolder: string) => KernelTable | Promise<KernelTable>;

export function addBpf(yargs: Argv): Argv {
  return yargs.command('bpf', 'Print what the kernel of this node has: needs root', (command) =>
    addMetrics(addServices(addConntrack(addPolicies(addIpcache(command))))).demandCommand(
      1,
      'say what: sluice bpf ipcache, policy, ct, lb or metrics',
    ),
  );
}

function addIpcache(yargs: Argv): Argv {
  return yargs.command(
    'ipcache [address]',
    'Whose each address is: the longest prefix decides',
    (command) =>
      tableOptions(command)
        .positional('address', { type: 'string', describe: 'Only the prefix that decides about this address', coerce: checkAddress })
        .example('sluice bpf ipcache 10.0.0.7', 'the identity that packets from there have'),
    async ({ address, pinFolder, output }) => tell(pinFolder, output, (tables, folder) => tables.readIpcache(folder, address)),
  );
}

function addPolicies(yargs: Argv): Argv {
  return yargs.command(
    'policy [identity]',
    'Verdicts of each identity of pods on this node, and how many connections each decided',
    (command) =>
      tableOptions(command)
        .positional('identity', { type: 'string', describe: 'Only those of this identity', coerce: checkIdentity })
        .example('sluice bpf policy 16842', 'what pods with this identity may do'),
    async ({ identity, pinFolder, output }) => tell(pinFolder, output, (tables, folder) => tables.readPolicies(folder, identity)),
  );
}

function addConntrack(yargs: Argv): Argv {
  return yargs.command(
    'ct [address]',
    'Connections that are remembered, some of which may be over',
    (command) =>
      tableOptions(command)
        .positional('address', { type: 'string', describe: 'Only those of which this address is an end', coerce: checkAddress })
        .example('sluice bpf ct 10.0.0.7', 'who talks to this pod'),
    async ({ address, pinFolder, output }) => tell(pinFolder, output, (tables, folder) => tables.readConntrack(folder, address)),
  );
}

function addServices(yargs: Argv): Argv {
  return yargs.command(
    'lb [service]',
    'Services as sockets get them translated',
    (command) =>
      tableOptions(command)
        .positional('service', { type: 'string', describe: 'Only those whose name begins with this, such as default/web' })
        .example('sluice bpf lb default/web', 'the addresses of a Service, and its backends'),
    async ({ service, pinFolder, output }) => tell(pinFolder, output, (tables, folder) => tables.readServices(folder, service)),
  );
}

function addMetrics(yargs: Argv): Argv {
  return yargs.command(
    'metrics',
    'What became of packets, and of connections to Services',
    (command) => tableOptions(command).example('sluice bpf metrics', 'how many were dropped, and why'),
    async ({ pinFolder, output }) => tell(pinFolder, output, (tables, folder) => tables.readMetrics(folder)),
  );
}

function tableOptions(command: Argv) {
  return command.option('pin-folder', pinFolderOption).option('output', outputOption);
}

async function tell(pinFolder: string, output: 'text' | 'json', read: Read): Promise<void> {
  const [tables, { withKernel }] = await Promise.all([import('../bpf/tables.ts'), import('../bpf/with-kernel.ts')]);
  const { heads, rows, json } = await withKernel(() => read(tables, pinFolder));
  await (output === 'json' ? printJson(json) : print(formatTable(heads, [...rows])));
}

function checkAddress(address: string | undefined): string | undefined {
  if (address === undefined || isIP(address) !== 0) return address;
  throw new CliError('usage', `${JSON.stringify(address)} is no IP address`);
}

function checkIdentity(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new CliError('usage', `${JSON.stringify(text)} is no identity: it is a number`);
}
