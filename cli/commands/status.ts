import type { Argv } from 'yargs';
import { type Status, statusSchema } from '../../controller/admin/status.ts';
import { CliError } from '../cli-error.ts';
import { adminPortOption } from '../options.ts';
import { print, printJson } from '../output.ts';
import { formatStatus } from '../text/status.ts';

const TIMEOUT_MS = 5_000;

export function addStatus(yargs: Argv): Argv {
  return yargs.command(
    'status',
    'Ask a running Sluice how it is',
    (command) =>
      command
        .option('admin-port', adminPortOption)
        .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Form of the answer' })
        .example('sluice status', 'exit code 0 where it is ready, 1 where it is not or does not run'),
    async ({ adminPort, output }) => {
      const status = await askStatus(adminPort);
      await (output === 'json' ? printJson(status) : print(formatStatus(status, Date.now())));
      if (!status.ready) process.exitCode = 1;
    },
  );
}

async function askStatus(port: number): Promise<Status> {
  const url = `http://127.0.0.1:${port}/status`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new CliError('failed', `no Sluice answers on 127.0.0.1:${port}; does \`sluice run\` run, and with this --admin-port?`, { cause });
  }
  const parsed = statusSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw new CliError('failed', `what answers on 127.0.0.1:${port} is not this version of Sluice`);
  return parsed.data;
}
