import { share } from './figures.ts';
import { cpuMsOf, machineTimes } from './process-cost.ts';

/** How much of a core processes have used since this was made. */
export class ProcessorShares {
  readonly #pids: Readonly<Record<string, number>>;
  readonly #before: readonly number[];
  readonly #machine = machineTimes();

  constructor(pids: Readonly<Record<string, number>>) {
    this.#pids = pids;
    this.#before = Object.values(pids).map(cpuMsOf);
  }

  format(elapsedMs: number): string {
    const { busyMs, idleMs } = machineTimes();
    const busy = share(busyMs - this.#machine.busyMs, busyMs + idleMs - this.#machine.busyMs - this.#machine.idleMs);
    const shares = Object.entries(this.#pids).map(
      ([name, pid], index) => `${name} ${share(cpuMsOf(pid) - (this.#before[index] ?? 0), elapsedMs)}`,
    );
    return `${shares.join(', ')} of a core; the machine was busy by ${busy}`;
  }
}
