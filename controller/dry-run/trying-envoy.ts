import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { withoutQuote } from '../../xds-server/serve/refusal.ts';
import type { Objection } from './find-refused.ts';

export interface TryingEnvoyOptions {
  readonly binary: string;
  /** How long it may take. Default: 30 s, since it comes after whoever serves. */
  readonly timeoutMs?: number;
}

/** That no Envoy has an opinion: it is not there, was killed, or did not come to an end. */
export class NoEnvoyError extends Error {
  override readonly name = 'NoEnvoyError';
}

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 1024 * 1024;
const REFUSED = 1;
const OWNER_ONLY = 0o600;
const ARGUMENTS = ['--mode', 'validate', '--log-level', 'critical', '--log-format', '%v', '--disable-hot-restart', '--concurrency', '1'];

/**
 * What a new Envoy says against an encoded bootstrap. It only looks at it: nothing listens, nothing is connected to.
 * @throws NoEnvoyError
 */
export async function objectionOfEnvoy(options: TryingEnvoyOptions, bootstrap: Uint8Array, signal: AbortSignal): Promise<Objection> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-trial-'));
  try {
    const file = join(folder, 'bootstrap.pb');
    writeFileSync(file, bootstrap, { mode: OWNER_ONLY });
    return await run(options, file, signal);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run({ binary, timeoutMs: timeout = TIMEOUT_MS }: TryingEnvoyOptions, file: string, signal: AbortSignal): Promise<Objection> {
  return await new Promise((resolve, reject) => {
    const options = { signal, timeout, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT, encoding: 'utf8' } as const;
    const envoy = execFile(binary, [...ARGUMENTS, '--config-path', file], options, (error, _output, words) => {
      if (!error) resolve(undefined);
      else if (error.code === REFUSED) resolve(wordsOf(words));
      else reject(new NoEnvoyError(error.killed ? `it took longer than ${timeout} ms` : words.trim() || error.message, { cause: error }));
    });
    // Whoever serves requests comes first.
    if (envoy.pid !== undefined) stepBack(envoy.pid);
  });
}

function stepBack(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already.
  }
}

/** It names the file, and repeats what it was given. */
function wordsOf(output: string): string {
  const [, words = output] = /error initializing configuration '[^']*': ([\s\S]*)/.exec(output) ?? [];
  return withoutQuote(words).trim();
}
