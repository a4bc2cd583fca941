import { distributionOf, formatDistribution } from './distribution.ts';
import { memoryOf } from './process-cost.ts';

/** A figure, on standard output. */
export function say(what: string, figure: string): void {
  console.log(`  ${what.padEnd(36)}${figure}`);
}

/** What is under way, on standard error, for whoever waits. */
export function progress(what: string): void {
  console.error(`… ${what}`);
}

/** Resident memory of processes, by what they are called. */
export function sayMemory(when: string, pids: Readonly<Record<string, number>>): void {
  const figures = Object.entries(pids).map(([name, pid]) => {
    const { now, peak } = memoryOf(pid);
    return `${name} ${now.toFixed(0)} MB, ${peak.toFixed(0)} MB at its highest`;
  });
  say(`  resident memory ${when}`, figures.join('; '));
}

export function distribution(milliseconds: readonly number[]): string {
  return formatDistribution(distributionOf(milliseconds), 'ms');
}

export function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

export function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}
