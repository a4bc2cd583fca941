import type { Argv } from 'yargs';
import { adminPortOption, ENFORCER_SOCKET, logFormatOption } from '../options.ts';

export function addEnforcer(yargs: Argv): Argv {
  return yargs.command(
    'enforcer',
    'Have network policies enforced by the kernel of this node, as its agent says; what is in force stays when it ends',
    (command) =>
      command
        .option('socket', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: `/run/sluice/${ENFORCER_SOCKET}`,
          describe: "Socket of this node's agent",
        })
        .option('pin-folder', {
          type: 'string',
          requiresArg: true,
          normalize: true,
          default: '/sys/fs/bpf/sluice',
          describe: 'Folder in a BPF file system where programs and tables outlive this process',
        })
        .option('node-name', {
          type: 'string',
          requiresArg: true,
          default: process.env['NODE_NAME'] ?? '',
          defaultDescription: '$NODE_NAME',
          describe: 'Name of this node',
        })
        .option('admin-port', adminPortOption)
        .option('log-format', logFormatOption)
        .example('sluice enforcer', 'in a pod with the network of its node, next to the agent')
        .epilogue('Needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, best CAP_NET_BROADCAST, and the BPF file system.'),
    async (argv) => {
      const [{ runEnforcer }, { createLog }, { listenForStop }, { hostname }] = await Promise.all([
        import('../enforcer/run-enforcer.ts'),
        import('../log.ts'),
        import('../stop-signals.ts'),
        import('node:os'),
      ]);
      const { socket, pinFolder, adminPort } = argv;
      const nodeName = argv.nodeName || hostname();
      await runEnforcer({ socket, pinFolder, adminPort, nodeName, log: createLog(argv.logFormat) }, listenForStop());
    },
  );
}
