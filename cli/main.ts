import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Before anything else is loaded: most of what a short command takes is compiling what it is made of.
enableCompileCache(fileURLToPath(new URL('../.build/compile-cache', import.meta.url)));

const [{ hideBin }, { CliError }, { parseCommandLine }, { endQuietlyWithoutReader }] = await Promise.all([
  import('yargs/helpers'),
  import('./cli-error.ts'),
  import('./command-line.ts'),
  import('./output.ts'),
]);

endQuietlyWithoutReader();
try {
  await parseCommandLine(hideBin(process.argv));
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`sluice: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
