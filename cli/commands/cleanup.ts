import type { Argv } from 'yargs';
import { outputOption, pinFolderOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { plural } from '../text/diagnostics.ts';

/** @param parent the command that this is one of */
export function addCleanup(yargs: Argv, parent: 'agent' | 'enforcer'): Argv {
  return yargs.command(
    'cleanup',
    'Remove all that Sluice has in the kernel of this node, which ends all enforcement there: needs root',
    (command) =>
      command
        .option('pin-folder', pinFolderOption)
        .option('output', outputOption)
        .example(`sluice ${parent} cleanup`, 'after the DaemonSet sluice-enforcer was deleted, in the network of the node'),
    async ({ pinFolder, output }) => {
      const [{ cleanUpNode }, { withKernel }] = await Promise.all([import('../../bpf/datapath/index.ts'), import('../bpf/with-kernel.ts')]);
      const { devices, hadPins } = await withKernel(() => cleanUpNode(pinFolder));
      const text =
        devices.length > 0 || hadPins
          ? `removed the programs of ${plural(devices.length, 'device')}, and ${hadPins ? `what was in ${pinFolder}` : 'there were no tables'}`
          : `there was nothing of Sluice, neither on devices nor in ${pinFolder}`;
      await (output === 'json' ? printJson({ devices, hadPins }) : print(`${text}\n`));
    },
  );
}
