import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EnvoyError } from './envoy-error.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
/** `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL` */
const VERSION = /version: [0-9a-f]+\/(?<version>[^/\s]+)\//;

/**
 * The version that an Envoy binary says of itself, such as `1.40.0`.
 * @throws EnvoyError `not-executable` if it cannot be run or is not an Envoy
 */
export async function envoyVersion(binary: string): Promise<string> {
  const output = await versionOutput(binary);
  const version = VERSION.exec(output)?.groups?.['version'];
  if (version === undefined) throw new EnvoyError('not-executable', `${binary} is not an Envoy: --version answered ${firstLine(output)}`);
  return version;
}

/** @throws EnvoyError `not-executable`, or `version-mismatch` if it is not exactly the version that is expected */
export async function checkEnvoyVersion(binary: string, expected: string): Promise<void> {
  const actual = await envoyVersion(binary);
  if (actual === expected) return;
  throw new EnvoyError('version-mismatch', `${binary} is Envoy ${actual}, but this Sluice was made for Envoy ${expected}`);
}

async function versionOutput(binary: string): Promise<string> {
  try {
    return (await run(binary, ['--version'], { timeout: TIMEOUT_MS })).stdout;
  } catch (cause) {
    const reason = cause instanceof Error ? firstLine(cause.message) : String(cause);
    throw new EnvoyError('not-executable', `cannot run Envoy at ${binary}: ${reason}`, { cause });
  }
}

function firstLine(text: string): string {
  return JSON.stringify(text.trim().split('\n', 1)[0] ?? '');
}
