import type { Argv } from 'yargs';
import { print, printJson } from '../output.ts';

export function addConfig(yargs: Argv): Argv {
  return yargs.command('config', 'Print what a settings file may hold', (command) =>
    command
      .command(
        'defaults',
        'Every setting with its default and meaning, as YAML',
        (sub) => sub.example('sluice config defaults > sluice.yaml', 'begin a settings file'),
        async () => await print((await import('../../settings/index.ts')).settingsDefaults()),
      )
      .command(
        'schema',
        'The JSON Schema of a settings file, for editors',
        (sub) => sub.example('sluice config schema > sluice.schema.json', 'for the YAML support of an editor'),
        async () => await printJson((await import('../../settings/index.ts')).settingsJsonSchema()),
      )
      .demandCommand(1, 'say which: sluice config defaults, or sluice config schema'),
  );
}
