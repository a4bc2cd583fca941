import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LabError } from '../lab-error.ts';
import { identityOf, isAlive } from '../state.ts';

const PREFIX = 'sluice-netns-';

/**
 * Namespaces for mounts, processes and a network, whose first process holds them, and a folder of the cgroup file system. The keeper, outside,
 * ends that process when the one that owns the lab has ended, which is when its standard input ends; with it the kernel takes all others, and
 * then the namespaces. Where the keeper itself is killed, the first process goes too, and the next lab removes the folder.
 */
const SCRIPT = `
set -e
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
if [ -z "$1" ]; then mkdir /run/cgroup; mount -t cgroup2 cgroup2 /run/cgroup; set -- /run/cgroup "$2"; fi
mkdir "$1/$2"
setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child=KILL \
  sh -c 'read -r pid rest < /proc/self/stat; echo "$pid $1"; exec sleep infinity' sh "$1/$2" < /dev/null &
cat > /dev/null
kill -KILL $!
wait || true
until find "$1/$2" -depth -type d -exec rmdir {} + 2> /dev/null || [ ! -e "$1/$2" ]; do sleep 0.02; done
`;

let labs = 0;

/** What a lab lives in. */
export class Keeper {
  /** The first process, as this process sees it. */
  readonly pid: number;
  /** In the file system that processes of the lab see. */
  readonly cgroup: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, pid: number, cgroup: string) {
    this.#process = child;
    this.pid = pid;
    this.cgroup = cgroup;
  }

  /** @throws LabError `not-root`, `not-ready` */
  static async start(): Promise<Keeper> {
    if (process.getuid?.() !== 0) throw new LabError('not-root', 'the lab makes namespaces and mounts: run it as root');
    const root = cgroupRoot();
    removeLeftovers(root);
    labs += 1;
    const name = `${PREFIX}${process.pid}-${identityOf(process.pid).started}-${labs}`;
    // A session of its own: what a terminal sends is for the owner.
    const child = spawn('unshare', ['--mount', 'sh', '-c', SCRIPT, 'sh', root ?? '', name], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const lines = createInterface(child.stdout);
    const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])]);
    const [pid, cgroup] = String(line).split(' ');
    if (pid === undefined || cgroup === undefined) throw new LabError('not-ready', 'the namespaces of the lab were not made');
    child.unref();
    return new Keeper(child, Number(pid), cgroup);
  }

  /** The keeper's own process, outside of the lab. */
  get processId(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when nothing is left. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.ref();
    const ended = once(this.#process, 'exit');
    this.#process.stdin?.end();
    await ended;
  }
}

/** Where control groups of version 2 are mounted; undefined where they are not. */
export function cgroupRoot(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}

function removeLeftovers(root: string | undefined): void {
  if (root === undefined) return;
  for (const name of readdirSync(root)) {
    const [, pid, started] = /^sluice-netns-(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && started !== undefined && !isAlive({ pid: Number(pid), started })) removeCgroup(join(root, name));
  }
}

function removeCgroup(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  try {
    rmdirSync(folder);
  } catch {
    // A keeper is still at it.
  }
}
