import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const NAME = /^libbpf-ts-(?<pid>\d+)-\d+$/;

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
    rmdirSync(this.folder);
  }
}

/** Removes those of processes that are gone, unless something is still in them. */
function removeStale(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = NAME.exec(name)?.groups?.['pid'];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      rmdirSync(join(root, name));
    } catch (error) {
      // Somebody is in it, or else has removed it.
      if (!(error instanceof Error && 'code' in error && (error.code === 'EBUSY' || error.code === 'ENOENT'))) throw error;
    }
  }
}
