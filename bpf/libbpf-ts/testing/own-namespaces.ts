import { spawnSync } from 'node:child_process';

const INSIDE = 'LIBBPF_TS_OWN_NAMESPACES';
const SET_UP = `mount -t bpf bpf /sys/fs/bpf && mount -t tracefs tracefs /sys/kernel/tracing && ip link set lo up && exec "$@"`;

/**
 * Runs the rest of a test file with a network of its own, which has loopback only, and file systems of its own at
 * `/sys/fs/bpf` and `/sys/kernel/tracing`: the file is run again in there, and its results are this process' results. All of that is gone when it ends, however it
 * does. Every thread of a process must be in there from the start, since work is done on several. Without being root it does nothing.
 */
export function enterOwnNamespaces(): void {
  if (process.env[INSIDE] || process.getuid?.() !== 0) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const inside = ['--pdeathsig', 'TERM', 'unshare', '--net', '--mount', 'sh', '-c', SET_UP, 'sh', ...command];
  const { status, error } = spawnSync('setpriv', inside, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  if (error) throw error;
  process.exit(status ?? 1);
}
