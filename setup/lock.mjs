import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 100;

/**
 * @typedef {object} Lock
 * @property {() => void} release may be called more than once
 * @property {(pid: number) => void} share makes another process a holder too: should this one be killed, the lock lasts until the other ends
 */

/**
 * Takes a lock between processes: a file that names its holders. One whose holders have all ended is taken over.
 * @param {string} path
 * @param {(pid: number) => void} onWait called once for each holder that has to be waited for
 * @returns {Promise<Lock>}
 */
export async function acquireLock(path, onWait) {
  const self = processIdentity(process.pid);
  let waitedFor;
  while (!tryCreate(path, self)) {
    const holders = read(path);
    if (holders === undefined) continue;
    const alive = holders.split('\n').find((holder) => processIdentity(pidOf(holder)) === holder);
    if (alive === undefined) {
      removeStale(path, holders);
      continue;
    }
    if (waitedFor !== alive) onWait(pidOf(alive));
    waitedFor = alive;
    await delay(POLL_MILLISECONDS);
  }
  return {
    release() {
      if (read(path)?.split('\n')[0] === self) rmSync(path, { force: true });
    },
    share(pid) {
      const next = `${path}.${process.pid}`;
      writeFileSync(next, `${self}\n${processIdentity(pid)}`);
      renameSync(next, path);
    },
  };
}

function pidOf(holder) {
  return Number(holder.split(' ')[0]);
}

/** Identifiers are used again, so where the system tells when a process started, that is part of its identity. */
function processIdentity(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return undefined;
  }
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return `${pid}`;
  // The second field, the command in parentheses, may itself hold spaces; the start time is the 22nd.
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return `${pid} ${started}`;
}

function tryCreate(path, self) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, self);
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

// Of several processes that see the same dead holders, renaming lets one remove its lock. Who was slower may have moved the
// lock of who was faster, and puts it back.
function removeStale(path, deadHolders) {
  const moved = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, moved);
    if (read(moved) !== deadHolders) linkSync(moved, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(moved, { force: true });
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}
