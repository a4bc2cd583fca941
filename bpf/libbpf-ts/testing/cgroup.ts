import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

let made = 0;

/** A cgroup of version 2 for a test, which goes with it. */
export class Cgroup implements Disposable {
  readonly folder: string;

  constructor() {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const root = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
    if (root === undefined) throw new Error('no cgroup file system of version 2 is mounted');
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
