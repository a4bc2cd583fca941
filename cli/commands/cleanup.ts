import type { Argv } from 'yargs';
import { networkStateOption, outputOption, pinFolderOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { plural } from '../text/diagnostics.ts';

/** @param parent the command that this is one of */
export function addCleanup(yargs: Argv, parent: 'agent' | 'enforcer'): Argv {
  return yargs.command(
    'cleanup',
    "Remove all that Sluice has in the kernel of this node, which ends all enforcement there, and undo its changes to the node's network: needs root",
    (command) =>
      command
        .option('pin-folder', pinFolderOption)
        .option('network-state', networkStateOption)
        .option('output', outputOption)
        .example(`sluice ${parent} cleanup`, 'after the DaemonSet sluice-enforcer was deleted, in the network of the node'),
    async ({ pinFolder, networkState, output }) => {
      const [{ cleanUpNode }, { removeSteeringNetwork }, { withKernel }] = await Promise.all([
        import('../../bpf/datapath/index.ts'),
        import('../../agent/network/index.ts'),
        import('../bpf/with-kernel.ts'),
      ]);
      let network: readonly string[] = [];
      const { devices, hadPins } = await withKernel(() =>
        cleanUpNode(pinFolder, () => {
          network = removeSteeringNetwork({ stateFolder: networkState });
        }),
      );
      await (output === 'json' ? printJson({ devices, hadPins, network }) : print(describe(pinFolder, { devices, hadPins, network })));
    },
  );
}

interface Removed {
  readonly devices: readonly number[];
  readonly hadPins: boolean;
  /** What was undone of the node's network. */
  readonly network: readonly string[];
}

function describe(pinFolder: string, { devices, hadPins, network }: Removed): string {
  const tables = hadPins ? `what was in ${pinFolder}` : 'there were no tables';
  const ofPrograms = devices.length > 0 || hadPins ? [`removed the programs of ${plural(devices.length, 'device')}, and ${tables}`] : [];
  const ofNetwork = network.length > 0 ? [`of the node's network: ${network.join(', ')}`] : [];
  const lines = [...ofPrograms, ...ofNetwork];
  return `${lines.join('\n') || `there was nothing of Sluice, neither on devices nor in ${pinFolder}`}\n`;
}
