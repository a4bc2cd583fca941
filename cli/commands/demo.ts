import type { Argv } from 'yargs';
import { adminPortOption, httpPortOption, httpsPortOption, logFormatOption } from '../options.ts';

export function addDemo(yargs: Argv): Argv {
  return yargs.command(
    'demo',
    'Serve an example with two backends and TLS, and say what to try',
    (command) =>
      command
        .option('http-port', httpPortOption)
        .option('https-port', httpsPortOption)
        .option('admin-port', adminPortOption)
        .option('state-dir', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          describe: 'Folder for the manifests and the state; default: ~/.local/state/sluice/demo',
        })
        .option('log-format', logFormatOption)
        .example('sluice demo', 'Ctrl-C ends it'),
    async ({ httpPort, httpsPort, adminPort, stateDir, logFormat }) => {
      const [{ runDemo }, { createLog }, { listenForStop }] = await Promise.all([
        import('../demo/demo.ts'),
        import('../log.ts'),
        import('../stop-signals.ts'),
      ]);
      await runDemo({ httpPort, httpsPort, adminPort, stateDir, log: createLog(logFormat) }, listenForStop());
    },
  );
}
