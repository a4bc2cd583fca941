import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const messageView = z.union([
  z.object({ id: z.int(), value: z.unknown().optional(), error: z.string().optional() }),
  z.object({ told: z.unknown() }),
]);

/** How a child must be started that is asked. */
export const ASKED_STDIO = ['ignore', 'inherit', 'inherit', 'ipc'] satisfies StdioOptions;

export interface AskedProgramOptions {
  /** A file URL of a program that calls `answerParent` (testkit/answer-parent.ts). */
  readonly program: URL;
  /** Started with {@link ASKED_STDIO}. */
  readonly child: ChildProcess;
  /** Called with what it tells by itself. Default: nobody. */
  readonly onTold?: (told: unknown) => void;
  /** Ends the program at once, where that is not the child itself. Default: SIGKILL to the child. */
  readonly kill?: () => Promise<void> | void;
}

/** A program of a test that runs elsewhere, in another network or with fewer rights, and answers what it is asked over Node's channel. */
export class AskedProgram<Request> implements AsyncDisposable {
  readonly #options: AskedProgramOptions;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  constructor(options: AskedProgramOptions) {
    this.#options = options;
    options.child.on('message', (message) => this.#received(messageView.parse(message)));
    options.child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${fileURLToPath(options.program)} has ended`));
      this.#waiting.clear();
    });
  }

  /** @throws what the program could not do, or where it has ended */
  async ask(request: Request): Promise<unknown> {
    this.#last += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#last, waiting);
    this.#options.child.send({ id: this.#last, request });
    return await waiting.promise;
  }

  /** Ends it without a word, and waits until it is gone. */
  async kill(): Promise<void> {
    const { child, kill = () => void child.kill('SIGKILL') } = this.#options;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    await kill();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #received(message: z.infer<typeof messageView>): void {
    if ('told' in message) {
      this.#options.onTold?.(message.told);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.error));
  }
}
