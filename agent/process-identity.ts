import { readFileSync } from 'node:fs';

/**
 * A process and no other: process ids are used again, but not by two processes that started in the same clock tick of the
 * same boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** The boot, and the clock tick after it at which the process started. */
  readonly startedAt: string;
}

/** Undefined when no such process lives; one that ended and was not collected by its parent does not. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readProcess(pid, 'stat');
  // The second field is the command in parentheses, which may itself hold spaces and parentheses.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const startTick = fields[18];
  if (startTick === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startedAt: `${bootId()}-${startTick}` };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt;
}

/** Sends the signal to that process, unless it has ended. @throws if the process belongs to another user. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** The arguments that the process was started with; empty for one that has ended and for kernel threads. */
export function commandLine(pid: number): readonly string[] {
  return readProcess(pid, 'cmdline')?.split('\0').slice(0, -1) ?? [];
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function readProcess(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}
