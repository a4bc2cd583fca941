import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What this process still has to clear away when it ends in the middle of a test. */
const remaining = new Set<TemporaryFolder>();

/**
 * A folder for a test, with a path short enough for Unix sockets in it. It goes with everything in it, and with every process
 * whose command line names it, so that no Envoy is left behind, however a test ends:
 *
 *     using folder = new TemporaryFolder();
 */
export class TemporaryFolder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'sluice-test-'));

  constructor() {
    if (remaining.size === 0) {
      process.on('exit', disposeAll);
      process.on('SIGTERM', exitTerminated);
    }
    remaining.add(this);
  }

  /** The path of a file or folder in it, which need not be there. */
  join(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  /** Also for `after` hooks of `node:test`. */
  dispose(): void {
    for (const pid of processesNaming(this.path)) kill(pid);
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
    remaining.delete(this);
    if (remaining.size > 0) return;
    process.off('exit', disposeAll);
    process.off('SIGTERM', exitTerminated);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function disposeAll(): void {
  for (const folder of remaining) folder.dispose();
}

/** The test runner ends a file that takes too long by a signal, which alone would skip the exit handlers. */
function exitTerminated(): void {
  process.exit(143);
}

function processesNaming(path: string): readonly number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => pid !== process.pid && names(pid, path));
}

function names(pid: number, path: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
