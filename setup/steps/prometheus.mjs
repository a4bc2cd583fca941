import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isExecutable, isOnPath, runCommand } from '../commands.mjs';
import { SetupError } from '../errors.mjs';
import { pointLink } from '../symlink.mjs';

/** What tests run, and where Debian's package has it. */
const PROGRAMS = ['prometheus', 'promtool'];
const IN_PACKAGE = 'usr/bin';

/**
 * Puts `prometheus` and `promtool` into `.setup`: links to those on the PATH, or else what Debian's package holds. The package is not installed, since that
 * would start a server.
 * @param {Pick<import('../setup.mjs').Setup, 'folder'>} setup
 * @param {(phase: string) => void} report
 * @returns {Promise<import('../progress.mjs').Outcome>}
 * @throws {SetupError} `system` where they are neither there nor to be had
 */
export async function installPrometheus({ folder }, report) {
  if (PROGRAMS.every((name) => isExecutable(join(folder, name)))) return { changed: false };
  const paths = PROGRAMS.map(findOnPath);
  if (paths.every((path) => path !== undefined)) {
    PROGRAMS.forEach((name, index) => {
      pointLink(paths[index], join(folder, name));
    });
    return { changed: true, detail: 'those on the PATH' };
  }
  if (!isOnPath('apt-get') || !isOnPath('dpkg')) {
    throw new SetupError('system', `${PROGRAMS.join(', ')} missing; put them on the PATH, see https://prometheus.io/download/`);
  }
  await unpackPackage(folder, report);
  return { changed: true };
}

function findOnPath(name) {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

async function unpackPackage(folder, report) {
  const work = join(folder, 'prometheus.part');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  report('downloading');
  await downloadPackage(work);
  report('unpacking');
  const [file] = readdirSync(work).filter((name) => name.endsWith('.deb'));
  await runCommand('dpkg', ['-x', join(work, file), work]);
  for (const name of PROGRAMS) {
    const program = join(work, IN_PACKAGE, name);
    if (!existsSync(program)) throw new SetupError('system', `Debian's package prometheus holds no ${name}`);
    chmodSync(program, 0o755);
    renameSync(program, join(folder, name));
  }
  rmSync(work, { recursive: true });
}

/** What apt knows may be older than what its mirror still has. */
async function downloadPackage(cwd) {
  const download = () => runCommand('apt-get', ['download', '-q', 'prometheus'], { cwd });
  try {
    await download();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await runCommand('apt-get', ['update', '-q']);
    await download();
  }
}
