import { join } from 'node:path';
import type { Argv } from 'yargs';
import {
  adminPortOption,
  configOption,
  DEFAULT_PORTS,
  ENFORCER_SOCKET,
  flowsAddressOption,
  kubeconfigOption,
  logFormatOption,
  metricsAddressOption,
  portOption,
} from '../options.ts';
import { requireSettings } from '../settings.ts';
import { addCleanup } from './cleanup.ts';

/** Options of this command alone, not of those below it. */
const OWN = { global: false } as const;

export function addAgent(yargs: Argv): Argv {
  return yargs.command(
    'agent',
    "Run a node's Envoy with what the controller says, and with what it said last while it is away",
    (command) =>
      addCleanup(command, 'agent')
        .option('controller', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          default: `sluice-controller.sluice-system.svc:${DEFAULT_PORTS.xds}`,
          describe: 'Controllers, as NAME:PORT',
        })
        .option('ca', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: '/etc/sluice/ca/ca.crt',
          describe: 'File with the authorities that controllers are known by',
        })
        .option('node-name', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          default: process.env['NODE_NAME'] ?? '',
          defaultDescription: '$NODE_NAME',
          describe: 'Name of this node',
        })
        .option('state-dir', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: '/var/lib/sluice',
          describe: "Folder for this node's certificate and for what Envoy accepted",
        })
        .option('run-dir', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          normalize: true,
          describe: 'Folder of sockets shared with an Envoy that somebody else runs; without it the agent runs Envoy itself',
        })
        .option('kubeconfig', { ...kubeconfigOption, ...OWN })
        .option('admin-port', { ...adminPortOption, ...OWN })
        .option('metrics-address', { ...metricsAddressOption, ...OWN })
        .option('flows-address', { ...flowsAddressOption, ...OWN })
        .option('enforcer-admin-port', {
          ...portOption(
            'enforcer-admin-port',
            DEFAULT_PORTS.enforcerAdmin,
            "Port of the enforcer's admin endpoint, whose metrics it tells others",
          ),
          ...OWN,
        })
        .option('config', { ...configOption, ...OWN })
        .option('log-format', { ...logFormatOption, ...OWN })
        .example('sluice agent --run-dir /run/sluice', 'in a pod, next to a container with Envoy')
        .example('sluice agent --controller 10.0.0.7:18000 --ca ca.crt --kubeconfig node.conf', 'on a machine, with an Envoy of its own'),
    async (argv) => {
      const settings = await requireSettings(argv.config);
      const [{ runAgent }, { requireApiClient, userAgentOf }, { createLog }, { listenForStop }, { hostname }] = await Promise.all([
        import('../agent/run-agent.ts'),
        import('../api-client.ts'),
        import('../log.ts'),
        import('../stop-signals.ts'),
        import('node:os'),
      ]);
      const nodeName = argv.nodeName || hostname();
      await using client = requireApiClient(argv.kubeconfig, userAgentOf('sluice-agent', nodeName));
      await runAgent(
        {
          controllers: `dns:///${argv.controller}`,
          authorities: argv.ca,
          client,
          nodeName,
          stateDir: argv.stateDir,
          envoy: argv.runDir === undefined ? { kind: 'child' } : { kind: 'elsewhere', folder: argv.runDir },
          adminPort: argv.adminPort,
          ...(argv.metricsAddress && { metricsAddress: argv.metricsAddress }),
          ...(argv.flowsAddress !== undefined && { flowsAddress: argv.flowsAddress }),
          enforcerAdminPort: argv.enforcerAdminPort,
          settings,
          enforcerSocket: settings.policy.enabled ? join(argv.runDir ?? argv.stateDir, ENFORCER_SOCKET) : undefined,
          log: createLog(argv.logFormat),
        },
        listenForStop(),
      );
    },
  );
}
