import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

/** What users run, which sets the limits of its heap too. */
const SLUICE = fileURLToPath(new URL('../cli/bin/sluice', import.meta.url));

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the `sluice` command to its end, as a process of its own. */
export async function runSluiceCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const command = new SluiceCommand(args, options);
  return { code: await command.exited, stdout: command.stdout, stderr: command.stderr };
}

/** A `sluice` command that goes on until it is told to end. What it leaves behind is killed when it is disposed of. */
export class SluiceCommand implements AsyncDisposable {
  stdout = '';
  stderr = '';
  /** Null where a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], { cwd, env }: CommandOptions = {}) {
    this.#child = spawn(SLUICE, args, {
      cwd,
      env: { ...process.env, SHELL: '/bin/bash', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // The streams may outlive the process: an Envoy that goes on holds them too.
    const ended = once(this.#child, 'exit');
    this.exited = ended.then(async ([code]: unknown[]) => {
      await Promise.race([once(this.#child, 'close'), new Promise((resolve) => setTimeout(resolve, 100))]);
      return typeof code === 'number' ? code : null;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until standard error has a line that matches, and returns it. @throws if the command ends without one */
  async untilSaid(pattern: RegExp): Promise<string> {
    return await eventually(() => {
      const line = this.stderr.split('\n').find((candidate) => pattern.test(candidate));
      if (line === undefined) throw new Error(`said nothing like ${pattern}:\n${this.stderr}`);
      return line;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
