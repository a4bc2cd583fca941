import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const NAME = /^libbpf-ts-(?<pid>\d+)-\d+$/;
/** Kernels take the last process out of a cgroup only some time after its parent heard of its end. */
const LEFT_WITHIN_MILLISECONDS = 5000;
const BETWEEN_TRIES_MILLISECONDS = 5;

let made = 0;

/** A cgroup of version 2 for a test, which goes with it; after a crash, with the next one that anybody makes. */
export class Cgroup implements Disposable {
  readonly folder: string;

  constructor() {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const root = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
    if (root === undefined) throw new Error('no cgroup file system of version 2 is mounted');
    removeStale(root);
    made += 1;
    this.folder = join(root, `libbpf-ts-${process.pid}-${made}`);
    mkdirSync(this.folder);
  }

  /** A script of a shell that enters it first. */
  within(script: string): string {
    return `echo $$ > '${join(this.folder, 'cgroup.procs')}' && ${script}`;
  }

  [Symbol.dispose](): void {
    removeCgroup(this.folder);
  }
}

/**
 * Removes a cgroup whose processes have ended.
 * @throws {Error} something is still in it after 5 s
 */
export function removeCgroup(folder: string): void {
  const patience = Date.now() + LEFT_WITHIN_MILLISECONDS;
  while (!removed(folder)) {
    if (Date.now() > patience) throw new Error(`${folder} still has ${inside(folder)}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BETWEEN_TRIES_MILLISECONDS);
  }
}

function inside(folder: string): string {
  const processes = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return `the processes [${processes.join(' ')}] and the cgroups [${below.map(({ name }) => name).join(' ')}]`;
}

/** Removes those of processes that are gone, unless something is still in them. */
function removeStale(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = NAME.exec(name)?.groups?.['pid'];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    removed(join(root, name));
  }
}

/** Removes a cgroup, also where another has done so; `false`: something is still in it. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EBUSY') return false;
    if (code !== 'ENOENT') throw error;
  }
  return true;
}
