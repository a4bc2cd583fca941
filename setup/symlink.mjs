import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';

/**
 * Makes `path` a symbolic link to `target`, in one step for whoever uses it meanwhile.
 * @param {string} target
 * @param {string} path
 * @returns {boolean} whether anything changed
 */
export function pointLink(target, path) {
  if (linkTarget(path) === target) return false;
  const next = `${path}.${process.pid}`;
  rmSync(next, { force: true });
  symlinkSync(target, next);
  renameSync(next, path);
  return true;
}

/**
 * @param {string} path
 * @returns {string | undefined} undefined where there is no symbolic link
 */
export function linkTarget(path) {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
