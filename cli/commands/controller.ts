import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import {
  adminPortOption,
  configOption,
  DEFAULT_PORTS,
  kubeconfigOption,
  logFormatOption,
  metricsAddressOption,
  portOption,
} from '../options.ts';
import { requireSettings } from '../settings.ts';

export function addController(yargs: Argv): Argv {
  return yargs.command(
    'controller',
    'Compile the objects of a cluster for its nodes; any number of replicas',
    (command) =>
      command
        .option('kubeconfig', kubeconfigOption)
        .option('namespace', {
          type: 'string',
          requiresArg: true,
          default: process.env['POD_NAMESPACE'] ?? 'sluice-system',
          describe: 'Namespace that Sluice runs in',
        })
        .option('pod-name', {
          type: 'string',
          requiresArg: true,
          default: process.env['POD_NAME'] ?? '',
          defaultDescription: '$POD_NAME',
          describe: 'Name of this replica',
        })
        .option('xds-address', {
          type: 'string',
          requiresArg: true,
          default: '::',
          describe: 'IP address that nodes connect to, by mutual TLS',
        })
        .option('xds-port', portOption('xds-port', DEFAULT_PORTS.xds, 'Port that nodes connect to'))
        .option('admin-port', adminPortOption)
        .option('metrics-address', metricsAddressOption)
        .option('config', configOption)
        .option('log-format', logFormatOption)
        .example('sluice controller', 'in a pod, with its service account')
        .example('sluice controller --kubeconfig admin.conf --pod-name dev', 'outside, on a cluster of a kubeconfig'),
    async (argv) => {
      const { namespace, xdsAddress, xdsPort, adminPort, metricsAddress } = argv;
      if (xdsPort === adminPort) throw new CliError('usage', '--xds-port and --admin-port must differ');
      const settings = await requireSettings(argv.config);
      const [{ runController }, { requireApiClient, userAgentOf }, { createLog }, { listenForStop }, { hostname }] = await Promise.all([
        import('../controller/run-controller.ts'),
        import('../api-client.ts'),
        import('../log.ts'),
        import('../stop-signals.ts'),
        import('node:os'),
      ]);
      const podName = argv.podName || hostname();
      await using client = requireApiClient(argv.kubeconfig, userAgentOf('sluice-controller', podName));
      await runController(
        {
          client,
          namespace,
          podName,
          xds: { host: xdsAddress, port: xdsPort },
          adminPort,
          ...(metricsAddress && { metricsAddress }),
          settings,
          log: createLog(argv.logFormat),
        },
        listenForStop(),
      );
    },
  );
}
