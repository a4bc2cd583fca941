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
        .option('config', configOption)
        .option('log-format', logFormatOption)
        .example('sluice run --manifests manifests/', 'on this machine only, ports 8080 and 8443')
        .example('sluice run --manifests manifests/ --address 0.0.0.0 --http-port 80 --https-port 443', 'for everyone'),
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
      const stateDir = argv.stateDir ?? defaultStateDir(manifests);
      await runSluice(
        { manifests, stateDir, address, httpPort, httpsPort, adminPort, settings, log: createLog(argv.logFormat) },
        listenForStop(),
      );
    },
  );
}

function requireDistinct(ports: readonly number[]): void {
  if (new Set(ports).size !== ports.length) throw new CliError('usage', '--http-port, --https-port and --admin-port must differ');
}
