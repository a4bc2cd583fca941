import { spawn } from 'node:child_process';
import yargs, { type Argv } from 'yargs';
import { findLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import { startLabWithImages, startLabWithSluice } from './sluice.ts';
import { listLabs, stateRoot } from './state.ts';

const DEFAULT_NAME = 'default';

const nameOption = { type: 'string', requiresArg: true, default: DEFAULT_NAME, describe: 'Name of the lab' } as const;
const stateOption = {
  type: 'string',
  requiresArg: true,
  normalize: true,
  describe: 'Folder for the state of labs; default: ~/.local/state/sluice/lab',
} as const;

try {
  await parseCommandLine(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof LabError) && !(error instanceof Error && error.name === 'YError')) throw error;
  console.error(`lab: ${error.message}`);
  for (let { cause } = error; cause instanceof Error; { cause } = cause) console.error(`caused by: ${cause.message}`);
  process.exitCode = error instanceof LabError ? 1 : 2;
}

async function parseCommandLine(args: readonly string[]): Promise<void> {
  const parser = [addUp, addDown, addStatus, addList, addKubectl, addExec].reduce((all, add) => add(all), base(args));
  await parser.parseAsync();
}

function base(args: readonly string[]): Argv<Shared> {
  return yargs([...args])
    .scriptName('npm run lab --')
    .usage('Usage: $0 <command>\n\nA real Kubernetes in namespaces of its own: nodes, pods, Services, load balancers. Needs root.')
    .epilogue('Documentation: conformance/lab/README.md')
    .option('name', nameOption)
    .option('state-dir', stateOption)
    .demandCommand(1, 'a command is missing')
    .strict()
    .recommendCommands()
    .locale('en')
    .updateStrings({ 'Did you mean %s?': 'there is no such command; did you mean %s?' })
    .parserConfiguration({ 'populate--': true, 'unknown-options-as-args': true, 'halt-at-non-option': false })
    .help()
    .alias('help', 'h')
    .version(false)
    .wrap(Math.min(process.stdout.columns ?? 100, 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? Object.assign(new Error(message), { name: 'YError' });
    });
}

interface Shared {
  readonly name: string;
  readonly 'state-dir': string | undefined;
}

function addUp(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    'up',
    'Start a lab, and leave it running',
    (command) =>
      command
        .option('nodes', { type: 'number', requiresArg: true, default: 1, describe: 'How many nodes' })
        .option('sluice', { type: 'boolean', default: false, describe: 'With this checkout, installed by manifests/install.yaml' })
        .example('$0 up --nodes 2', 'two nodes')
        .example('$0 up --name other', 'beside the one that runs')
        .example('$0 up --sluice', 'ready to serve Ingresses'),
    async ({ name, nodes, sluice, stateDir = stateRoot() }) => {
      const start = performance.now();
      const options = { name, nodes, stateRoot: stateDir, outlives: true, report: (what: string) => console.log(what) };
      const lab = await (sluice ? startLabWithSluice(options) : startLabWithImages(options));
      console.log(`lab ${name} is up after ${((performance.now() - start) / 1000).toFixed(1)} s\nexport KUBECONFIG=${lab.kubeconfig}`);
    },
  );
}

function addDown(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    'down',
    'End a lab, and leave nothing of it',
    (command) => command.option('all', { type: 'boolean', default: false, describe: 'Every lab' }),
    async ({ name, all, stateDir = stateRoot() }) => {
      const names = all ? listLabs(stateDir).map((lab) => lab.name) : [name];
      await Promise.all(names.map(async (each) => (await findLab(each, stateDir)).down()));
    },
  );
}

function addStatus(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    'status',
    "A lab's processes and nodes",
    (command) => command,
    async ({ name, stateDir = stateRoot() }) => {
      const lab = await findLab(name, stateDir);
      for (const { name: process, place, pid, restarts } of await lab.processes()) {
        const state = pid === 0 ? 'stopped' : `running${restarts > 0 ? `, ${restarts} restarts` : ''}`;
        console.log(`${process.padEnd(28)}${(place || 'router').padEnd(10)}${state}`);
      }
      console.log(`\n${await lab.kubectl('get', 'nodes', '-o', 'wide')}`);
      console.log(`logs: ${lab.folder}/log\nexport KUBECONFIG=${lab.kubeconfig}`);
    },
  );
}

function addList(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    'list',
    'The labs that run',
    (command) => command,
    ({ stateDir = stateRoot() }) => {
      for (const { name, nodes, port } of listLabs(stateDir)) console.log(`${name}\t${nodes} nodes\thttps://127.0.0.1:${port}`);
    },
  );
}

function addKubectl(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    'kubectl [args..]',
    'kubectl, as administrator',
    (command) => command.positional('args', { type: 'string', array: true, default: [] }).example('$0 kubectl get pods -A', ''),
    async ({ name, args, '--': rest = [], stateDir = stateRoot() }) => {
      const lab = await findLab(name, stateDir);
      await passOn(lab.kubectlCommand(...args, ...afterDashes(args, rest)), lab.kubeconfig);
    },
  );
}

function addExec(yargs: Argv<Shared>): Argv<Shared> {
  return yargs.command(
    ['exec [args..]', 'run'],
    "A command of this machine in the lab's network",
    (command) =>
      command
        .positional('args', { type: 'string', array: true, default: [] })
        .option('where', { type: 'string', requiresArg: true, default: 'client', describe: 'client, router or the name of a node' })
        .option('mounts', { type: 'boolean', default: false, describe: "With the place's own files, such as a node's /var/lib" })
        .example('$0 exec -- curl http://10.250.0.1/', 'from outside of the cluster, by a load balancer')
        .example('$0 exec --where node-1 -- nft list ruleset', ''),
    async ({ name, args, '--': rest = [], where, mounts, stateDir = stateRoot() }) => {
      const lab = await findLab(name, stateDir);
      await passOn(lab.command([...args, ...stringsOf(rest)], { where, mounts }), lab.clientKubeconfig);
    },
  );
}

/** What came after `--`, with it where it is kubectl's own: `kubectl exec POD -- COMMAND`, and not `kubectl -- get pods`. */
function afterDashes(before: readonly unknown[], rest: unknown): readonly string[] {
  const strings = stringsOf(rest);
  return before.length > 0 && strings.length > 0 ? ['--', ...strings] : strings;
}

function stringsOf(values: unknown): readonly string[] {
  return Array.isArray(values) ? values.map(String) : [];
}

/** Runs a command in place of this process, as far as its streams and its status go. */
async function passOn([program, ...args]: readonly [string, ...string[]], kubeconfig: string): Promise<void> {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, KUBECONFIG: kubeconfig } });
  process.on('SIGINT', () => {});
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on('error', reject).on('exit', (code) => resolve(code ?? 1));
  });
}
