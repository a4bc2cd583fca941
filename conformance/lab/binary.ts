import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOnPath, runCommand } from '../../setup/commands.mjs';
import { CommandError } from '../../setup/errors.mjs';
import { acquireLock } from '../../setup/lock.mjs';
import { LabError } from './lab-error.ts';

const MODULE = fileURLToPath(new URL('kubernetes/', import.meta.url));
const FLAGS = ['-trimpath', '-ldflags', `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion()}`];
/** Binaries that nobody has used for so long are removed when another is built. */
const UNUSED_MS = 14 * 24 * 3_600_000;

/**
 * The lab's binary, which is built where no binary of exactly these sources is cached: 4 seconds on a warm build cache, many minutes on
 * a cold one. Of several processes that need it, one builds.
 * @param report is told when a build begins
 * @returns its path
 * @throws LabError `no-go`, `build-failed`
 */
export async function labBinary(report: (what: string) => void = () => {}): Promise<string> {
  const folder = cacheFolder();
  const path = binaryPath(folder);
  if (!existsSync(path)) await build(folder, path, report);
  utimesSync(path, new Date(), new Date());
  return path;
}

/** Why there is no binary and none can be built; undefined where there is one or one can be. */
export function whyNoLabBinary(): string | undefined {
  if (existsSync(binaryPath(cacheFolder())) || isOnPath('go')) return undefined;
  return 'no lab binary is built, and there is no Go to build one with';
}

async function build(folder: string, path: string, report: (what: string) => void): Promise<void> {
  if (!isOnPath('go')) throw new LabError('no-go', 'the lab is built with Go, which is not on the PATH: https://go.dev/doc/install');
  mkdirSync(folder, { recursive: true });
  const lock = await acquireLock(join(folder, 'lock'), (pid) => report(`waiting for the build of process ${pid}`));
  try {
    if (existsSync(path)) return;
    report('building the lab from the sources of Kubernetes; the first time takes many minutes');
    removeUnused(folder);
    const next = `${path}.${process.pid}`;
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' };
    await runCommand('go', ['build', ...FLAGS, '-o', next, '.'], { cwd: MODULE, env, onStart: lock.share });
    renameSync(next, path);
  } catch (error) {
    if (error instanceof CommandError) throw new LabError('build-failed', error.message, { cause: error });
    throw error;
  } finally {
    lock.release();
  }
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice', 'lab');
}

function binaryPath(folder: string): string {
  const hash = createHash('sha256').update(FLAGS.join('\0'));
  const files = globSync(['**/*.go', 'go.mod', 'go.sum'], { cwd: MODULE }).filter((file) => !file.endsWith('_test.go'));
  for (const file of files.sort()) hash.update(`\0${file}\0`).update(readFileSync(join(MODULE, file)));
  return join(folder, `lab-${process.arch}-${hash.digest('hex').slice(0, 20)}`);
}

function removeUnused(folder: string): void {
  for (const name of readdirSync(folder).filter((name) => name.startsWith('lab-'))) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > UNUSED_MS) rmSync(path, { force: true });
  }
}

/** The version that the module pins, which the API server cannot know by itself. */
function kubernetesVersion(): string {
  const version = /\bk8s\.io\/kubernetes (v\S+)/.exec(readFileSync(join(MODULE, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new LabError('build-failed', 'go.mod does not name k8s.io/kubernetes');
  return version;
}
