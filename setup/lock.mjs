import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 100;

/**
 * Takes a lock between processes: a file that names its holder. One left behind by a process that died is taken over.
 * @param {string} path
 * @param {(pid: number) => void} onWait called once for each holder that has to be waited for
 * @returns {Promise<() => void>} releases the lock; may be called more than once
 */
export async function acquireLock(path, onWait) {
  const self = processIdentity(process.pid);
  let waitedFor;
  while (!tryCreate(path, self)) {
    const holder = read(path);
    if (holder === undefined) continue;
    const pid = Number(holder.split(' ')[0]);
    if (processIdentity(pid) !== holder) {
      removeStale(path, holder);
      continue;
    }
    if (waitedFor !== holder) onWait(pid);
    waitedFor = holder;
    await delay(POLL_MILLISECONDS);
  }
  return () => {
    if (read(path) === self) rmSync(path, { force: true });
  };
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

function tryCreate(path, holder) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, holder);
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

// Of several processes that see the same dead holder, renaming lets one remove its lock. Who was slower may have moved the
// lock of who was faster, and puts it back.
function removeStale(path, deadHolder) {
  const moved = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, moved);
    if (read(moved) !== deadHolder) linkSync(moved, path);
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
