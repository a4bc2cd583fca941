import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { runCommand } from '../commands.mjs';

/**
 * Brings `node_modules` to what the lock file says, by `npm ci`, where it differs.
 * @param {import('../setup.mjs').Setup} setup
 * @param {(phase: string) => void} report
 * @param {(pid: number) => void} onStart receives npm's process, which nobody else may disturb even if this one is killed
 * @returns {Promise<import('../progress.mjs').Outcome>}
 */
export async function installDependencies({ root }, report, onStart) {
  if (isInstalled(root)) return { changed: false };
  report('installing');
  await runCommand('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, onStart });
  return { changed: true };
}

/**
 * npm writes what it installed to a hidden lock file, as its last act; so an interrupted installation has none.
 * @param {string} root
 * @returns {boolean} whether all that the lock file wants for this platform is installed, in that version, and nothing else is
 */
export function isInstalled(root) {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return false;
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const installed = readJson(installedPath).packages;
  if (!agrees(readJson(join(root, 'package.json')), wanted[''])) return false;
  // What is optional may be for another platform.
  const missing = Object.keys(wanted).some((path) => path !== '' && !wanted[path].optional && !(path in installed));
  return !missing && Object.keys(installed).every((path) => isSamePackage(installed[path], wanted[path]));
}

function isSamePackage(installed, wanted) {
  return wanted !== undefined && installed.version === wanted.version && installed.integrity === wanted.integrity;
}

function agrees(manifest, locked) {
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'workspaces'].every((field) =>
    isDeepStrictEqual(manifest[field], locked[field]),
  );
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
