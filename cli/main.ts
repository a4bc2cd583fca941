import { hideBin } from 'yargs/helpers';
import { CliError } from './cli-error.ts';
import { parseCommandLine } from './command-line.ts';
import { endQuietlyWithoutReader } from './output.ts';

endQuietlyWithoutReader();
try {
  await parseCommandLine(hideBin(process.argv));
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`sluice: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
