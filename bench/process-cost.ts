import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Of the kernel's clock for processes, on Linux. */
const TICK_MS = 10;

export interface Memory {
  readonly now: number;
  readonly peak: number;
}

/** Resident memory of a process in MB: now and at its highest. */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN);
  return { now: kilobytes('VmRSS') / 1024, peak: kilobytes('VmHWM') / 1024 };
}

/** Processor time that a process has used, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Processor time that this machine has had for all of its processes and has been idle, in milliseconds. */
export function machineTimes(): { readonly busyMs: number; readonly idleMs: number } {
  const times = cpus().map(({ times }) => times);
  const idleMs = times.reduce((sum, { idle }) => sum + idle, 0);
  return { busyMs: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0), idleMs };
}

/** The process of a command whose arguments name a folder. @throws where there is none */
export function pidOf(command: string, folder: string): number {
  const pid = readdirSync('/proc')
    .map(Number)
    .find((candidate) => Number.isInteger(candidate) && runs(candidate, command, folder));
  if (pid === undefined) throw new Error(`no process of ${command}`);
  return pid;
}

function runs(pid: number, command: string, folder: string): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    // A program that starts it in another place has both among its arguments, too.
    return args.slice(0, 2).includes(command) && args.some((argument) => argument.includes(folder));
  } catch {
    return false; // It ended by itself.
  }
}
