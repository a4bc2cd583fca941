import { once } from 'node:events';

/** Writes to standard output, at the pace of whoever reads it. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** A reader that has seen enough, as in `sluice render … | head`, is no error. */
export function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error) => {
    if (!('code' in error) || error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? 0);
  });
}
