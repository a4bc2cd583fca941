import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** Names the variable by which the lab's binary knows that it has an owner, see `kubernetes/owner`. */
const OWNED = 'SLUICE_LAB_OWNED';

/** A program of the lab's binary that ends with this process, however this process ends, and can be killed and started again. */
export class OwnedProcess {
  readonly log: string;
  readonly #command: readonly [string, ...string[]];
  #child: ChildProcess | undefined;

  /** @param log the file to which its output is added */
  constructor(log: string, ...command: readonly [string, ...string[]]) {
    this.log = log;
    this.#command = command;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, unless it runs. */
  start(): void {
    if (this.isRunning) return;
    const [program, ...args] = this.#command;
    const output = openSync(this.log, 'a');
    // Its standard input is the other end of a pipe that ends with this process.
    this.#child = spawn(program, args, { env: { ...process.env, [OWNED]: '1' }, stdio: ['pipe', output, output] });
    this.#child.stdin?.on('error', () => {});
    this.#child.unref();
    closeSync(output);
  }

  /** Waits until it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    child.ref();
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
