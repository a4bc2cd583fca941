import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isOnPath, runCommand } from '../../setup/commands.mjs';
import { CommandError } from '../../setup/errors.mjs';
import { acquireLock } from '../../setup/lock.mjs';
import { LabError } from './lab-error.ts';

/** A program that is built of Go modules of pinned versions. */
export interface GoProgram {
  /** No name of such a program begins with that of another and a hyphen. */
  readonly name: string;
  /** The folder of the module, with `go.mod` and `go.sum`. */
  readonly module: string;
  /** The package, as seen from the module's folder. */
  readonly package: string;
  readonly ldflags: string;
  /** What is told when a build begins. */
  readonly about: string;
}

/** For suites and what they begin with: how long a build may take on a machine with two cores that has never made one. */
export const WITH_TIME_TO_BUILD = { timeout: 14 * 60_000 };

/** Binaries that nobody has used for so long are removed when another is built. */
const UNUSED_MS = 14 * 24 * 3_600_000;

/**
 * A program's binary, which is built where none of exactly these sources is cached. Of several processes that need it, one builds.
 * @param report is told when a build begins
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function goBinary(program: GoProgram, report: (what: string) => void = () => {}): Promise<string> {
  const folder = cacheFolder();
  const path = binaryPath(program, folder);
  if (!existsSync(path)) await build(program, folder, path, report);
  utimesSync(path, new Date(), new Date());
  return path;
}

/** Why there is no binary and none can be built; undefined where there is one or one can be. */
export function whyNoGoBinary(program: GoProgram): string | undefined {
  if (existsSync(binaryPath(program, cacheFolder())) || isOnPath('go')) return undefined;
  return `no ${program.name} binary is built, and there is no Go to build one with`;
}

async function build(program: GoProgram, folder: string, path: string, report: (what: string) => void): Promise<void> {
  if (!isOnPath('go')) {
    throw new LabError('no-go', `${program.name} is built with Go, which is not on the PATH: https://go.dev/doc/install`);
  }
  mkdirSync(folder, { recursive: true });
  const lock = await acquireLock(join(folder, 'lock'), (pid) => report(`waiting for the build of process ${pid}`));
  try {
    if (existsSync(path)) return;
    report(program.about);
    removeUnused(program.name, folder);
    const next = `${path}.${process.pid}`;
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' };
    const args = ['build', ...flagsOf(program), '-o', next, program.package];
    await runCommand('go', args, { cwd: program.module, env, onStart: lock.share });
    renameSync(next, path);
  } catch (error) {
    if (error instanceof CommandError) throw new LabError('build-failed', error.message, { cause: error });
    throw error;
  } finally {
    lock.release();
  }
}

function flagsOf({ ldflags }: GoProgram): readonly string[] {
  return ['-trimpath', '-ldflags', ldflags];
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice', 'lab');
}

function binaryPath(program: GoProgram, folder: string): string {
  const hash = createHash('sha256').update(flagsOf(program).join('\0'));
  const files = globSync(['**/*.go', 'go.mod', 'go.sum'], { cwd: program.module }).filter((file) => !file.endsWith('_test.go'));
  for (const file of files.sort()) hash.update(`\0${file}\0`).update(readFileSync(join(program.module, file)));
  return join(folder, `${program.name}-${process.arch}-${hash.digest('hex').slice(0, 20)}`);
}

function removeUnused(name: string, folder: string): void {
  for (const file of readdirSync(folder).filter((file) => file.startsWith(`${name}-`))) {
    const path = join(folder, file);
    if (Date.now() - statSync(path).mtimeMs > UNUSED_MS) rmSync(path, { force: true });
  }
}
