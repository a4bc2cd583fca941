import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import {
  addressOption,
  adminPortOption,
  configOption,
  httpPortOption,
  httpsPortOption,
  logFormatOption,
  manifestsOption,
  networkStateOption,
  pinFolderOption,
} from '../options.ts';
import { requireSettings } from '../settings.ts';

export function addRun(yargs: Argv): Argv {
  return yargs.command(
    'run',
    'Serve a folder of manifests with Envoy, and follow its changes',
    (command) =>
      command
        .option('manifests', manifestsOption)
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .option('address', addressOption)
        .option('admin-port', adminPortOption)
        .option('state-dir', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          describe: 'Folder for sockets, log and state; default: one for each manifests folder, in ~/.local/state/sluice',
        })
        .option('enforce', {
          type: 'boolean',
          default: false,
          describe: "Have policies enforced for the folder's Pods that run here, by this machine's kernel: needs root",
        })
        .option('node-name', {
          type: 'string',
          requiresArg: true,
          default: hostname(),
          defaultDescription: "the machine's",
          describe: 'With --enforce: what Pods call this machine; those that name no node are here',
        })
        .option('pin-folder', { ...pinFolderOption, describe: 'With --enforce: folder in a BPF file system for programs and tables' })
        .option('network-state', { ...networkStateOption, describe: `With --enforce: ${networkStateOption.describe}` })
        .option('cgroup', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          defaultDescription: 'the root of the tree',
          describe: 'With --enforce: control group of the processes for which Services are translated',
        })
        .option('config', configOption)
        .option('log-format', logFormatOption)
        .example('sluice run --manifests manifests/', 'on this machine only, ports 8080 and 8443')
        .example('sluice run --manifests manifests/ --address 0.0.0.0 --http-port 80 --https-port 443', 'for everyone')
        .example('sluice run --manifests manifests/ --enforce', 'with policies for the Pods in the folder'),
    async (argv) => {
      const { manifests, address, httpPort, httpsPort, adminPort } = argv;
      requireDistinct([httpPort, httpsPort, adminPort]);
      const settings = await requireSettings(argv.config);
      const [{ runSluice }, { createLog }, { defaultStateDir }, { listenForStop }] = await Promise.all([
        import('../run/run.ts'),
        import('../log.ts'),
        import('../run/state-dir.ts'),
        import('../stop-signals.ts'),
      ]);
      const { enforce, nodeName, pinFolder, networkState, cgroup } = argv;
      const enforcing = enforce && { enforce: { nodeName, pinFolder, networkState, ...(cgroup && { cgroup }) } };
      const stateDir = argv.stateDir ?? defaultStateDir(manifests);
      await runSluice(
        {
          manifests,
          stateDir,
          address,
          httpPort,
          httpsPort,
          adminPort,
          settings,
          ...enforcing,
          log: createLog(argv.logFormat),
        },
        listenForStop(),
      );
    },
  );
}

function requireDistinct(ports: readonly number[]): void {
  if (new Set(ports).size !== ports.length) throw new CliError('usage', '--http-port, --https-port and --admin-port must differ');
}
