import type { Argv } from 'yargs';
import { adminPortOption, ENFORCER_SOCKET, logFormatOption, networkStateOption, pinFolderOption } from '../options.ts';
import { addCleanup } from './cleanup.ts';

/** Options of this command alone, not of those below it. */
const OWN = { global: false } as const;

export function addEnforcer(yargs: Argv): Argv {
  return yargs.command(
    'enforcer',
    'Have network policies enforced by the kernel of this node, as its agent says; what is in force stays when it ends',
    (command) =>
      addCleanup(command, 'enforcer')
        .option('socket', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: `/run/sluice/${ENFORCER_SOCKET}`,
          describe: "Socket of this node's agent",
        })
        .option('pin-folder', pinFolderOption)
        .option('network-state', networkStateOption)
        .option('cgroup', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          normalize: true,
          defaultDescription: 'the root of the tree',
          describe: 'Control group of all processes of this node; to be named where the node is a container',
        })
        .option('node-name', {
          ...OWN,
          type: 'string',
          requiresArg: true,
          default: process.env['NODE_NAME'] ?? '',
          defaultDescription: '$NODE_NAME',
          describe: 'Name of this node',
        })
        .option('admin-port', { ...adminPortOption, ...OWN })
        .option('log-format', { ...logFormatOption, ...OWN })
        .example('sluice enforcer', 'in a pod with the network of its node, next to the agent')
        .epilogue('Needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, best CAP_NET_BROADCAST, and the BPF file system.'),
    async (argv) => {
      const [{ runEnforcer }, { createLog }, { listenForStop }, { hostname }] = await Promise.all([
        import('../enforcer/run-enforcer.ts'),
        import('../log.ts'),
        import('../stop-signals.ts'),
        import('node:os'),
      ]);
      const { socket, pinFolder, networkState, cgroup, adminPort } = argv;
      const nodeName = argv.nodeName || hostname();
      const log = createLog(argv.logFormat);
      await runEnforcer({ socket, pinFolder, networkState, ...(cgroup && { cgroup }), adminPort, nodeName, log }, listenForStop());
    },
  );
}
